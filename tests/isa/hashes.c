/*
 * The results of the cases of tests/support/cases.h as hashes, a line each, from the kernels of one
 * instruction set: hashes ISA COUNT [FIRST];
 * `hashes list` names those that the machine has, best first. What two machines print can be
 * compared by diff. The last line counts the cases that were evaluated, and those that the library
 * refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cases.h"

static void print_outcome(uint64_t number, const struct case_outcome *outcome)
{
	for (size_t i = 0; i < outcome->n_parts; i++)
		printf("%" PRIu64 " %016" PRIx64 " %s %s\n", number, outcome->hashes[i],
		       outcome->names[i], outcome->what);
	if (outcome->n_parts == 0)
		printf("%" PRIu64 " refused %s\n", number, outcome->what);
}

static void list(FILE *out)
{
	for (size_t i = 0; loss_isa_at(i) != NULL; i++)
		if (loss_isa_find(loss_isa_at(i)) != NULL)
			fprintf(out, "%s\n", loss_isa_at(i));
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list(stdout);
		return 0;
	}
	const char *isa = argc > 2 ? loss_isa_find(argv[1]) : NULL;
	if (isa == NULL) {
		fputs("usage: hashes list, or hashes ISA COUNT [FIRST] with one of\n", stderr);
		list(stderr);
		return 2;
	}
	uint64_t n = strtoull(argv[2], NULL, 10), refused = 0;
	uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	for (uint64_t number = first; number < first + n; number++) {
		struct case_outcome outcome;
		case_evaluate(number, isa, &outcome);
		print_outcome(number, &outcome);
		refused += outcome.status != LOSS_OK;
	}
	printf("evaluated %" PRIu64 ", refused %" PRIu64 "\n", n - refused, refused);
	return 0;
}
