//! `rtbench plugin check`: what every plug-in must stand, tried on one.
//!
//! Next file to read: `../cli/plugin.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use serde_json::{Map, json};
use workloads::params::Params;
use workloads::plugin::talk::Draft;
use workloads::rt::config::{Flavor, RuntimeConfig};
use workloads::wire::{EngineKind, PROTOCOL, Plan, count};
use workloads::workload::Description;

use super::Inspector;
use crate::profile::Planned;
use crate::session::record::{Outcome, RunRecord};
use crate::session::{self, Session, Source};
use crate::term::Progress;

const MS: u64 = 1_000_000;
const HOUR: u64 = 3_600_000 * MS;
/// How long a load lasts before it is asked to stop.
const UNTIL_STOP: Duration = Duration::from_millis(300);

/// Windows of a run, as multiples of the first one, until something is completed in one: a machine that has much else to do
/// may not get to it in a short one.
const WINDOWS: [u64; 3] = [1, 5, 20];

/// What came of one case: what was found, or what is wrong.
pub(crate) type Found = Result<String, String>;

/// Tries everything on a plug-in, and tells of each case as it is done. Whether all went well.
pub(crate) fn conform(plugin: &mut Inspector, tell: &mut dyn FnMut(&str, &Found)) -> bool {
    let mut well = true;
    let mut case = |name: &str, found: Found| {
        well &= found.is_ok();
        tell(name, &found);
    };
    case(
        "describes itself",
        Ok(match plugin.workloads().len() {
            1 => "1 workload".to_owned(),
            more => format!("{more} workloads"),
        }),
    );
    case("obeys the default runtime", no_objection(plugin, Draft::Runtime { config: Box::default() }));
    for workload in plugin.workloads().to_vec() {
        let name = workload.name.clone();
        let mut case = |what: &str, found: Found| case(&format!("{name}: {what}"), found);
        let defaults = Params::check(&workload.params, &Map::new());
        let params = defaults.map(Params::into_map).unwrap_or_default();
        let draft = Draft::Params { workload: name.clone(), params: params.clone() };
        case("takes its defaults", no_objection(plugin, draft));
        case("refuses a parameter that it has not declared", objection(plugin, &workload));
        let plan = plan(plugin, &workload, params);
        case("runs for a second", completes(&plan));
        for flavor in [Flavor::CurrentThread, Flavor::Local] {
            let short = Plan {
                runtime: RuntimeConfig { flavor, worker_threads: None, ..plan.runtime.clone() },
                warmup_ns: 0,
                duration_ns: 300 * MS,
                ..plan.clone()
            };
            case(&format!("runs on the flavor {flavor}"), completes(&short));
        }
        let long = Plan { warmup_ns: 0, duration_ns: HOUR, ..plan.clone() };
        case("stops in its window when asked to", stopped(&long));
        case("stops in its warm-up when asked to", stopped(&Plan { warmup_ns: HOUR, ..plan.clone() }));
        let protocol = PROTOCOL + 1000;
        case("refuses a plan of another protocol", refused(&Plan { protocol, ..plan.clone() }));
        let other = if plan.engine == EngineKind::Tokio { EngineKind::Embedded } else { EngineKind::Tokio };
        case("refuses a plan for another engine", refused(&Plan { engine: other, ..plan.clone() }));
        let nobody = "no such workload".to_owned();
        case("refuses a plan for no workload", refused(&Plan { workload: nobody, ..plan.clone() }));
    }
    well
}

fn plan(plugin: &Inspector, workload: &Description, params: Map<String, serde_json::Value>) -> Plan {
    Plan {
        protocol: PROTOCOL,
        engine: plugin.engine(),
        plugin: Some(plugin.id()),
        runtime: RuntimeConfig { worker_threads: Some(2), ..RuntimeConfig::default() },
        workload: workload.name.clone(),
        params,
        warmup_ns: 200 * MS,
        duration_ns: 1000 * MS,
        interval_ns: 100 * MS,
        seed: 1,
    }
}

fn no_objection(plugin: &mut Inspector, draft: Draft) -> Found {
    let objections = plugin.validate(draft).map_err(|fault| fault.what().to_owned())?;
    objections.first().map_or(Ok(String::new()), |objection| Err(objection.to_string()))
}

fn objection(plugin: &mut Inspector, workload: &Description) -> Found {
    let params = Map::from_iter([("no such parameter".to_owned(), json!(1))]);
    let draft = Draft::Params { workload: workload.name.clone(), params };
    match plugin.validate(draft).map_err(|fault| fault.what().to_owned())?.first() {
        Some(_) => Ok(String::new()),
        None => Err("it has no objection".to_owned()),
    }
}

fn run(plan: &Plan) -> RunRecord {
    in_session(&Session::unattended(), plan)
}

fn in_session(session: &Session, plan: &Plan) -> RunRecord {
    let planned = Planned { name: plan.workload.clone(), plan: plan.clone() };
    session.run(Source::default(), &planned, &mut Progress::new(true))
}

fn completes(plan: &Plan) -> Found {
    let mut found = Err(String::new());
    for times in WINDOWS {
        let record = run(&Plan { duration_ns: times * plan.duration_ns, ..plan.clone() });
        found = complete(&record);
        if !session::completed_nothing(&record) {
            break;
        }
    }
    found
}

fn complete(record: &RunRecord) -> Found {
    match &record.outcome {
        Outcome::Complete => {
            let counts = record.done.as_ref().map(|done| &done.counts);
            let completed =
                counts.and_then(|counts| counts.get(count::COMPLETED)).copied().unwrap_or_default();
            let warnings = record.warnings.iter().map(|warning| format!("; warning: {warning}"));
            Ok(format!("{completed} completed{}", warnings.collect::<String>()))
        }
        Outcome::Interrupted => Err("it stopped by itself".to_owned()),
        Outcome::Failed { message, .. } => Err(message.clone()),
    }
}

fn stopped(plan: &Plan) -> Found {
    let session = Session::unattended();
    session.interrupt_after(UNTIL_STOP);
    let record = in_session(&session, plan);
    match &record.outcome {
        Outcome::Interrupted if record.done.is_some() => Ok(String::new()),
        Outcome::Interrupted => Err(record.warnings.join("; ")),
        Outcome::Complete => Err("it ended before its time, and not for the request".to_owned()),
        Outcome::Failed { message, .. } => Err(message.clone()),
    }
}

fn refused(plan: &Plan) -> Found {
    match run(plan).outcome {
        Outcome::Failed { is_input: true, .. } => Ok(String::new()),
        Outcome::Failed { message, .. } => Err(format!("it did not say that the plan is wrong: {message}")),
        Outcome::Complete | Outcome::Interrupted => Err("it ran".to_owned()),
    }
}
