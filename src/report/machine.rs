//! The machine that a run was measured on. Next: `quality.rs`.
#![forbid(unsafe_code)]

use std::fs;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

/// What a reader must know about the machine to compare two reports. What cannot be found out is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Name of the operating system, with its version where it says so.
    pub(crate) os: String,
    /// Name and release of the kernel.
    pub(crate) kernel: Option<String>,
    /// Processor architecture.
    pub(crate) architecture: String,
    /// Processor model.
    pub(crate) cpu_model: Option<String>,
    /// Logical cores that this process may use.
    pub(crate) logical_cores: Option<u64>,
    /// Main memory in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// Network name of the machine.
    pub(crate) hostname: Option<String>,
}

impl Machine {
    /// Asks this machine.
    pub(crate) fn this() -> Self {
        let uname = rustix::system::uname();
        let text =
            |part: &std::ffi::CStr| part.to_str().ok().filter(|text| !text.is_empty()).map(str::to_owned);
        let kernel = text(uname.sysname()).zip(text(uname.release()));
        let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self {
            os: pretty_name(&os_release).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            kernel: kernel.map(|(name, release)| format!("{name} {release}")),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu_model: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            logical_cores: available_parallelism().ok().map(|cores| cores.get() as u64),
            memory_bytes: memory_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            hostname: text(uname.nodename()),
        }
    }
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned()).filter(|name| !name.is_empty())
}

/// The first model that `/proc/cpuinfo` names; its key differs from one architecture to the next.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let named = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let known = ["model name", "cpu model", "Processor", "Model", "uarch"].contains(&key.trim());
        (known && !value.trim().is_empty()).then(|| value.trim().to_owned())
    };
    cpuinfo.lines().find_map(named)
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_understood_and_silence_is_none() {
        let cpuinfo =
            "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some Processor @ 2.70GHz\nflags\t\t: fpu\n";
        assert_eq!(cpu_model(cpuinfo).as_deref(), Some("Some Processor @ 2.70GHz"));
        assert_eq!(cpu_model("processor : 0\n"), None);
        assert_eq!(memory_bytes("MemTotal:        7980112 kB\nMemFree: 1 kB\n"), Some(7_980_112 * 1024));
        assert_eq!(memory_bytes(""), None);
        assert_eq!(pretty_name("ID=x\nPRETTY_NAME=\"Some System 1\"\n").as_deref(), Some("Some System 1"));
        assert_eq!(pretty_name(""), None);
    }

    #[test]
    fn this_machine_has_a_name_for_its_system_and_architecture() {
        let machine = Machine::this();
        assert!(!machine.os.is_empty());
        assert!(!machine.architecture.is_empty());
        assert!(machine.logical_cores.is_some_and(|cores| cores > 0));
    }
}
