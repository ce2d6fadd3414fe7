/*
 * Measures cross_entropy, reading and writing of JSON, and whole servers, against the machine's
 * limits and other implementations:
 *
 *   bench FOLDER [ID...]     FOLDER/bench.json is written; IDs such as K3 choose cases, and `sweep`
 *                            is K9, which stands apart since it takes many minutes
 *
 * LOSSD_BENCH_THREADS (all that are available), LOSSD_BENCH_ROUNDS (9, of the sweep 5),
 * LOSSD_BENCH_PYTHON (an interpreter with PyTorch), LOSSD_ISA (an instruction set below the best),
 * SWEEP (words that names of the sweep's cases must have). A slow result is no failure: the exit
 * status only says whether it could be measured.
 */
#include <errno.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "json.h"
#include "measure.h"
#include "report.h"
#include "sweep.h"
#include "sweep_tensors.h"
#include "timing.h"

#define ROUNDS 9
#define SWEEP_ROUNDS 5
#define MAX_CASES 80
#define SUMMARY_ROWS 16

static long number_of(const char *variable, long otherwise, long largest)
{
	const char *text = getenv(variable);
	long value = text ? strtol(text, NULL, 10) : otherwise;
	return value < 1 ? 1 : value > largest ? largest : value;
}

static size_t available_bytes(void)
{
	size_t kilobytes = 0;
	char line[128];
	FILE *info = fopen("/proc/meminfo", "r");
	while (info && fgets(line, sizeof line, info))
		if (strncmp(line, "MemAvailable:", 13) == 0)
			kilobytes = strtoul(line + 13, NULL, 10);
	if (info)
		fclose(info);
	return kilobytes ? kilobytes * 1024 : (size_t)8 << 30;
}

/* Others are held to an instruction set as the kernels are, each in its own words. */
static void hold_peers_to(const char *isa)
{
	static const struct {
		const char *isa, *variable, *value;
	} words[] = {
		{"base", "ATEN_CPU_CAPABILITY", "default"},
		{"base", "MKL_ENABLE_INSTRUCTIONS", "SSE4_2"},
		{"base", "ONEDNN_MAX_CPU_ISA", "SSE41"},
		{"avx2", "ATEN_CPU_CAPABILITY", "avx2"},
		{"avx2", "MKL_ENABLE_INSTRUCTIONS", "AVX2"},
		{"avx2", "ONEDNN_MAX_CPU_ISA", "AVX2"},
	};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].isa, isa) != 0)
			continue;
		setenv(words[i].variable, words[i].value, 1);
		printf("%s=%s\n", words[i].variable, words[i].value);
	}
}

/* The interpreter of bench-peers, else whichever is there: the system's own may have PyTorch. */
static void find_python(struct bench *bench)
{
	const char *given = getenv("LOSSD_BENCH_PYTHON");
	snprintf(bench->python, sizeof bench->python, "%s/peers/bin/python", bench->folder);
	if (given || access(bench->python, X_OK) != 0)
		snprintf(bench->python, sizeof bench->python, "%s",
			 given ? given : "/usr/bin/python3");
}

static void start_pytorch(struct bench *bench)
{
	char tensors[512];
	const char *interpreter = bench->python, *script = "tests/bench/pytorch.py";
	sweep_tensors_path(bench->folder, tensors, sizeof tensors);
	peer_start(&bench->pytorch_as_it_is, "PyTorch",
		   (const char *[]){interpreter, script, tensors, NULL});
	if (!bench->pytorch_as_it_is.ready) {
		memcpy(bench->pytorch.about, bench->pytorch_as_it_is.about,
		       sizeof bench->pytorch.about);
		return;
	}
	/* The C library's own way to say it: nothing is mapped apart, nothing goes back. */
	peer_start(&bench->pytorch, "PyTorch",
		   (const char *[]){"env", "MALLOC_MMAP_MAX_=0",
				    "MALLOC_TRIM_THRESHOLD_=1000000000000", interpreter, script,
				    tensors, NULL});
}

static void start_peers(struct bench *bench)
{
	char onednn[512], simdjson[512], body[512];
	snprintf(onednn, sizeof onednn, "%s/tests/bench/onednn", bench->folder);
	snprintf(simdjson, sizeof simdjson, "%s/tests/bench/simdjson", bench->folder);
	json_body_path(bench->folder, body, sizeof body);
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
	find_python(bench);
	start_pytorch(bench);
	char package[512];
	snprintf(package, sizeof package, "%s/python", bench->folder);
	peer_start(&bench->package, "the Python package",
		   (const char *[]){bench->python, "tests/bench/package.py", package, NULL});
	peer_start(&bench->onednn, "oneDNN", (const char *[]){onednn, NULL});
	peer_start(&bench->simdjson, "simdjson", (const char *[]){simdjson, body, NULL});
	printf("peers: %s; %s; %s; %s\n", bench->pytorch.about, bench->onednn.about,
	       bench->simdjson.about, bench->package.about);
}

/* As many connections as the system lets this program, and servers that it starts, have. */
static void raise_file_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static bool chosen(const char *id, char **ids)
{
	for (; *ids; ids++)
		if (strcmp(*ids, id) == 0)
			return true;
	return false;
}

static bool write_json(const char *folder, const struct measured *measured, size_t n)
{
	char path[512];
	snprintf(path, sizeof path, "%s/bench.json", folder);
	FILE *out = fopen(path, "w");
	if (out)
		report_json(out, measured, n);
	if (!out || fclose(out) != 0) {
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
		return false;
	}
	printf("\nwritten: %s\n", path);
	return true;
}

static size_t measure_cases(struct bench *bench, char **ids, struct measured *measured)
{
	size_t n = 0;
	for (size_t i = 0; i < n_bench_cases && n < MAX_CASES; i++) {
		if (*ids && !chosen(bench_cases[i].id, ids))
			continue;
		measure(bench, &bench_cases[i], &measured[n]);
		report_row(stdout, &measured[n++]);
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct measured measured[MAX_CASES + SWEEP_ROWS + SUMMARY_ROWS];
	if (argc < 2) {
		fputs("usage: bench FOLDER [ID...]\n", stderr);
		return 2;
	}
	const char *asked = getenv("LOSSD_ISA"), *isa = asked ? loss_isa_find(asked) : loss_isa();
	if (!isa) {
		fputs("bench: LOSSD_ISA is no instruction set of this machine\n", stderr);
		return 2;
	}
	struct bench bench = {
		.isa = isa,
		.threads = (int)number_of("LOSSD_BENCH_THREADS", omp_get_num_procs(), 1024),
		.rounds = (size_t)number_of("LOSSD_BENCH_ROUNDS", ROUNDS, MAX_ROUNDS),
		.sweep_rounds =
			(size_t)number_of("LOSSD_BENCH_ROUNDS", SWEEP_ROUNDS, MAX_ROUNDS / 2),
		.memory_bytes = available_bytes(),
		.folder = argv[1],
	};
	raise_file_limit();
	report_machine(stdout, &bench);
	if (asked)
		hold_peers_to(isa);
	start_peers(&bench);
	report_head(stdout);
	size_t n = measure_cases(&bench, argv + 2, measured);
	if (chosen("sweep", argv + 2))
		n += sweep(&bench, measured + n);
	peer_stop(&bench.pytorch);
	peer_stop(&bench.pytorch_as_it_is);
	peer_stop(&bench.package);
	peer_stop(&bench.onednn);
	peer_stop(&bench.simdjson);
	return write_json(argv[1], measured, n) ? 0 : 1;
}
