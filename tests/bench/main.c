/*
 * Measures cross_entropy, and reading and writing of JSON, against the machine's limits and other
 * implementations:
 *
 *   bench FOLDER [ID...]     FOLDER/bench.json is written; IDs such as K3 choose cases
 *
 * LOSSD_BENCH_THREADS (all that are available), LOSSD_BENCH_ROUNDS (7), LOSSD_BENCH_PYTHON (an
 * interpreter with PyTorch), LOSSD_ISA (an instruction set below the best). A slow result is no
 * failure: the exit status only says whether it could be measured.
 */
#include <errno.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "measure.h"
#include "report.h"
#include "timing.h"

#define ROUNDS 7
#define MAX_CASES 64

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

/* The interpreter of bench-peers, else whichever is there: the system's own may have PyTorch. */
static void start_peers(struct bench *bench, const char *folder)
{
	char python[512], onednn[512], simdjson[512], body[512];
	const char *given = getenv("LOSSD_BENCH_PYTHON");
	snprintf(python, sizeof python, "%s/peers/bin/python", folder);
	snprintf(onednn, sizeof onednn, "%s/tests/bench/onednn", folder);
	snprintf(simdjson, sizeof simdjson, "%s/tests/bench/simdjson", folder);
	json_body_path(folder, body, sizeof body);
	const char *interpreter = given                       ? given
				  : access(python, X_OK) == 0 ? python
							      : "/usr/bin/python3";
	peer_start(&bench->pytorch, "PyTorch",
		   (const char *[]){interpreter, "tests/bench/pytorch.py", NULL});
	/* The C library's own way to say it: nothing is mapped apart, nothing goes back. */
	if (bench->pytorch.ready)
		peer_start(&bench->pytorch_keeping, "PyTorch",
			   (const char *[]){"env", "MALLOC_MMAP_MAX_=0",
					    "MALLOC_TRIM_THRESHOLD_=1000000000000", interpreter,
					    "tests/bench/pytorch.py", NULL});
	peer_start(&bench->onednn, "oneDNN", (const char *[]){onednn, NULL});
	peer_start(&bench->simdjson, "simdjson", (const char *[]){simdjson, body, NULL});
}

static bool chosen(const struct bench_case *what, char **ids)
{
	bool any = !*ids;
	for (; *ids; ids++)
		any = any || strcmp(*ids, what->id) == 0;
	return any;
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

int main(int argc, char **argv)
{
	static struct measured measured[MAX_CASES];
	size_t n = 0;
	if (argc < 2) {
		fputs("usage: bench FOLDER [ID...]\n", stderr);
		return 2;
	}
	const char *isa = getenv("LOSSD_ISA") ? loss_isa_find(getenv("LOSSD_ISA")) : loss_isa();
	if (!isa) {
		fputs("bench: LOSSD_ISA is no instruction set of this machine\n", stderr);
		return 2;
	}
	struct bench bench = {
		.isa = isa,
		.threads = (int)number_of("LOSSD_BENCH_THREADS", omp_get_num_procs(), 1024),
		.rounds = (size_t)number_of("LOSSD_BENCH_ROUNDS", ROUNDS, MAX_ROUNDS),
		.memory_bytes = available_bytes(),
		.folder = argv[1],
	};
	start_peers(&bench, argv[1]);
	report_machine(stdout, &bench);
	report_head(stdout);
	for (size_t i = 0; i < n_bench_cases && n < MAX_CASES; i++) {
		if (!chosen(&bench_cases[i], argv + 2))
			continue;
		measure(&bench, &bench_cases[i], &measured[n]);
		report_row(stdout, &measured[n++]);
	}
	peer_stop(&bench.pytorch);
	peer_stop(&bench.pytorch_keeping);
	peer_stop(&bench.onednn);
	peer_stop(&bench.simdjson);
	return write_json(argv[1], measured, n) ? 0 : 1;
}
