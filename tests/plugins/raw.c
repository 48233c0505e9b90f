/* A plug-in without the SDK, in another language, which breaks at most one promise of the table.
 *
 * Each is a library of its own: FAULT names what it does wrong, in words that the functions below look for; MAGIC,
 * ABI_MAJOR, ABI_MINOR, TABLE_SIZE, RUSTC and SYMBOL are what its table says. With none of them it is a good one.
 * RAW_HISTOGRAM in the environment is the histogram that it sends, RAW_PID the file for a child's process id. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FAULT
#define FAULT "none"
#endif
#ifndef MAGIC
#define MAGIC "rtbench\xb5"
#endif
#ifndef ABI_MAJOR
#define ABI_MAJOR 1
#endif
#ifndef ABI_MINOR
#define ABI_MINOR 0
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(struct table)
#endif
#ifndef RUSTC
#define RUSTC "no rustc, but a C compiler"
#endif
#ifndef SYMBOL
#define SYMBOL rtbench_plugin_v1
#endif

struct text { const char *data; size_t len; };
struct host { uint64_t size; void *ctx; uint32_t (*emit)(void *ctx, const uint8_t *data, size_t len); };
struct table {
    char magic[8];
    uint32_t abi_major, abi_minor;
    uint64_t size;
    struct text name, version, sdk, rustc, engine, engine_version;
    uint32_t (*describe)(const struct host *);
    uint32_t (*validate)(const struct host *, const uint8_t *, size_t);
    uint32_t (*run)(const struct host *, const uint8_t *, size_t);
    void (*stop)(void);
};
enum { DONE = 0, FAILED = 1 };

static int does(const char *fault) { return strcmp(FAULT, fault) == 0; }

static uint32_t emit(const struct host *host, const char *text) {
    return host->emit(host->ctx, (const uint8_t *)text, strlen(text));
}

static void hang(void) {
    for (;;) pause();
}

static int overflow(volatile int depth) {
    volatile char frame[4096];
    frame[depth % 4096] = (char)depth;
    return overflow(depth + 1) + frame[(depth + 1) % 4096];
}

/* As many bytes as the message says, and no text. */
static uint32_t emit_huge(const struct host *host) {
    size_t len = (size_t)64 << 20;
    uint8_t *huge = malloc(len);
    if (huge == NULL) abort();
    memset(huge, 'x', len);
    uint32_t heard = host->emit(host->ctx, huge, len);
    free(huge);
    return heard;
}

/* Comes back to the host of an entry that has returned, on a thread of the plug-in's own. */
static const struct host *former;

static void *emit_late(void *nothing) {
    /* It must not be taken. */
    if (emit(former, "[]") == 0) abort();
    return nothing;
}

__attribute__((constructor)) static void loaded(void) {
    if (does("abort while loaded")) abort();
    if (does("hang while loaded")) hang();
    if (does("print while loaded")) {
        printf("loaded, says the plug-in\n");
        fflush(stdout);
    }
}

static uint32_t describe(const struct host *host) {
    if (does("abort in describe")) abort();
    if (does("overflow in describe")) return (uint32_t)overflow(0);
    if (does("hang in describe")) hang();
    if (does("garbage in describe")) return emit(host, "\xff\xfe{{{{"), DONE;
    if (does("huge in describe")) return emit_huge(host), DONE;
    if (does("nothing in describe")) return DONE;
    const char *about =
        "{\"workloads\":[{\"name\":\"raw\",\"summary\":\"a workload in C\",\"params\":[],\"counters\":[],"
        "\"needs_io\":false,\"needs_time\":false}]}";
    if (does("twice in describe")) emit(host, about);
    if (does("late in describe")) former = host;
    return emit(host, about), DONE;
}

static uint32_t validate(const struct host *host, const uint8_t *draft, size_t len) {
    (void)draft, (void)len;
    if (does("abort in validate")) abort();
    if (does("hang in validate")) hang();
    if (does("garbage in validate")) return emit(host, "{}"), DONE;
    if (former != NULL) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, emit_late, NULL) != 0) abort();
        pthread_join(thread, NULL);
    }
    return emit(host, "[]"), DONE;
}

/* Whether the window is a second or shorter. */
static int is_short;

/* Of ten operations that a slice has planned. */
static int started(void) { return does("unbalanced in run") ? 9 : 10; }
static int completed(void) {
    return does("nothing completed in run") || (is_short && does("nothing completed in a short run")) ? 0 : 10;
}

static uint32_t slice(const struct host *host, int number, const char *histogram) {
    char *text;
    if (asprintf(&text,
                 "{\"frame\":\"interval\",\"phase\":\"measure\",\"start_ns\":%d,\"end_ns\":%d,\"start_unix_ms\":0,"
                 "\"counts\":{\"planned\":10,\"started\":%d,\"completed\":%d},\"histograms\":[\"%s\"],"
                 "\"runtime\":{\"workers\":[],\"global\":{}}}",
                 number * 50000000, (number + 1) * 50000000, started(), completed(), histogram) < 0)
        abort();
    uint32_t heard = emit(host, text);
    free(text);
    return heard;
}

static volatile int stopped;

static uint32_t run(const struct host *host, const uint8_t *plan, size_t len) {
    const char *histogram = getenv("RAW_HISTOGRAM");
    if (histogram == NULL) abort();
    is_short = memmem(plan, len, "\"duration_ns\":1000000000,", 25) || memmem(plan, len, "\"duration_ns\":300000000,", 24);
    emit(host, "{\"frame\":\"hello\",\"protocol\":1,\"pid\":1,\"engine\":\"raw\",\"engine_version\":\"0\",\"streams\":["
               "{\"name\":\"latency\",\"title\":\"made up\",\"unit\":\"nanoseconds\"}]}");
    emit(host, "{\"frame\":\"phase\",\"phase\":\"measure\"}");
    int samples = !does("no samples in run");
    for (int number = 0; samples && number < 2; number++) slice(host, number, histogram);

    if (does("abort in run")) abort();
    if (does("overflow in run")) return (uint32_t)overflow(0);
    if (does("exit in run")) exit(0);
    if (does("return in run")) return DONE;
    if (does("hang in run")) {
        pid_t child = fork();
        if (child == 0) hang();
        FILE *file = fopen(getenv("RAW_PID"), "w");
        if (child < 0 || file == NULL) abort();
        fprintf(file, "%d", (int)child);
        fclose(file);
        hang();
    }
    if (does("bounds in run")) slice(host, 2, getenv("RAW_OTHER_HISTOGRAM"));
    if (does("lying header in run")) slice(host, 2, getenv("RAW_CUT_HISTOGRAM"));
    if (does("garbage in run")) emit(host, "\xff\xfe{{{{");
    if (does("huge in run")) emit_huge(host);
    if (does("ten thousand slices in run"))
        for (int number = 2; number < 10000; number++)
            if (slice(host, 2, histogram) != 0) return FAILED;
    if (does("ten thousand warnings in run"))
        for (int number = 0; number < 10000; number++)
            if (emit(host, "{\"frame\":\"warning\",\"text\":\"again\"}") != 0) return FAILED;
    if (does("print in run")) {
        for (int line = 0; line < 20000; line++) printf("{\"frame\":\"done\"} says the plug-in, line %d\n", line);
        fflush(stdout);
    }

    /* A plan of an hour, in its warm-up or in its window, is there to be stopped. */
    if (memmem(plan, len, "3600000000000", 13) != NULL)
        while (!stopped) usleep(1000);

    emit(host, "{\"frame\":\"phase\",\"phase\":\"drain\"}");
    char done[512];
    snprintf(done, sizeof done,
             "{\"frame\":\"done\",\"interrupted\":%s,\"measured_ns\":100000000,\"counts\":{\"planned\":%d,"
             "\"started\":%d,\"completed\":%d},\"usage\":{\"user_us\":0,\"system_us\":0,\"voluntary_switches\":0,"
             "\"involuntary_switches\":0,\"max_rss_bytes\":0},\"runtime\":{\"workers\":[],\"global\":{}}}",
             stopped ? "true" : "false", 20 * samples, 2 * started() * samples, 2 * completed() * samples);
    return emit(host, done), DONE;
}

static void stop(void) {
    if (does("abort in stop")) abort();
    if (does("hang in stop")) hang();
    stopped = 1;
}

#define TEXT(text) { text, sizeof(text) - 1 }
__attribute__((visibility("default"))) const struct table SYMBOL = {
    .magic = MAGIC, .abi_major = ABI_MAJOR, .abi_minor = ABI_MINOR, .size = TABLE_SIZE,
    .name = TEXT("raw"), .version = TEXT("0"), .sdk = TEXT("none"), .rustc = TEXT(RUSTC),
    .engine = TEXT("embedded"), .engine_version = TEXT("0"),
#ifdef NO_RUN
    .describe = describe, .validate = validate, .run = NULL, .stop = stop,
#else
    .describe = describe, .validate = validate, .run = run, .stop = stop,
#endif
};
