/* The fuzz targets as libFuzzer calls them; FUZZ_TARGET in the environment says which. */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");
	(void)argc;
	(void)argv;
	target = name ? fuzz_find(name) : NULL;
	if (target)
		return 0;
	fprintf(stderr, "FUZZ_TARGET is \"%s\", but must be one of:", name ? name : "");
	for (const struct fuzz_target *t = fuzz_targets; t->name; t++)
		fprintf(stderr, " %s", t->name);
	fputc('\n', stderr);
	exit(2);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
	target->run(bytes, n);
	return 0;
}
