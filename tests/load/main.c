/*
 * Loads a lossd server: `lossd-load --help`. The body of the program is options -> workload (what
 * is sent, and what must come back) -> drive (connections) -> report.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "knee.h"
#include "report.h"

/* As many connections as the system lets it have. */
static void raise_file_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int load(const struct options *options, struct workload *workload)
{
	if (options->write_to)
		return workload_write(workload, options) ? 0 : 1;
	if (options->find_max)
		return find_knee(options, workload);
	struct measured *measured = drive(options, workload, options->rate);
	if (!measured)
		return 1;
	report(options, workload, measured, options->rate);
	int status = measured_failed(measured) > 0 || measured->answered == 0 ? 1 : 0;
	free(measured);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	struct workload workload;
	int status;
	if (!options_read(&options, argc, argv, &status))
		return status;
	raise_file_limit();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = workload_make(&workload, &options) ? load(&options, &workload) : 1;
	workload_drop(&workload);
	curl_global_cleanup();
	return status;
}
