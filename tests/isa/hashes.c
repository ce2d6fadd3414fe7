/*
 * The results of the cases of tests/support/cases.h as hashes, from the kernels of one instruction
 * set:
 *
 *   hashes ISA COUNT [FIRST]    a line each, what two machines print can be compared by diff; the
 *                               last line counts the cases that were evaluated, and those that the
 *                               library refused
 *   hashes golden ISA FOLDER    those whose hashes are kept: a file for each family and type
 *   hashes uncovered            what the families of those do not have, though a loss has it
 *   hashes list                 the instruction sets that the machine has, best first
 *   hashes built                those that there are kernels of
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cases.h"

static void print_outcome(FILE *out, uint64_t number, const struct case_outcome *outcome)
{
	for (size_t i = 0; i < outcome->n_parts; i++)
		fprintf(out, "%" PRIu64 " %016" PRIx64 " %s %s\n", number, outcome->hashes[i],
			outcome->names[i], outcome->what);
	if (outcome->n_parts == 0)
		fprintf(out, "%" PRIu64 " refused %s\n", number, outcome->what);
}

static void list(FILE *out, bool all)
{
	for (size_t i = 0; loss_isa_at(i) != NULL; i++)
		if (all || loss_isa_find(loss_isa_at(i)) != NULL)
			fprintf(out, "%s\n", loss_isa_at(i));
}

static int usage(void)
{
	fputs("usage: hashes ISA COUNT [FIRST], hashes golden ISA FOLDER, hashes uncovered, "
	      "hashes list, hashes built; with one of\n",
	      stderr);
	list(stderr, false);
	return 2;
}

static int print_cases(const char *isa, uint64_t n, uint64_t first)
{
	uint64_t refused = 0;
	for (uint64_t number = first; number < first + n; number++) {
		struct case_outcome outcome;
		case_evaluate(number, isa, &outcome);
		print_outcome(stdout, number, &outcome);
		refused += outcome.status != LOSS_OK;
	}
	printf("evaluated %" PRIu64 ", refused %" PRIu64 "\n", n - refused, refused);
	return refused * 2 > n; /* then they say nothing */
}

/* The file of a family with one type of input, or 1 where that can not be written, or where a case
 * was refused. */
static int write_golden(const struct case_golden *golden, const char *isa, const char *folder)
{
	const struct case_family *family = golden->family;
	char path[4096];
	int failed = 0;
	snprintf(path, sizeof path, "%s/%s.%s.%s", folder, family->loss, family->name,
		 loss_dtype_info(golden->dtype)->name);
	FILE *out = fopen(path, "w");
	for (uint64_t number = 0; out != NULL && number < family->n_cases; number++) {
		struct case_outcome outcome;
		case_evaluate_golden(golden, number, isa, &outcome);
		print_outcome(out, number, &outcome);
		if (outcome.status != LOSS_OK) {
			fprintf(stderr, "%s: case %" PRIu64 " is refused: %s\n", path, number,
				outcome.what);
			failed = 1;
		}
	}
	if (out != NULL && fclose(out) == 0)
		return failed;
	perror(path);
	return 1;
}

static int write_all_golden(const char *isa, const char *folder)
{
	int failed = 0;
	for (size_t i = 0; i < case_n_families; i++) {
		unsigned dtypes = case_families[i].dtypes;
		dtypes = dtypes != 0 ? dtypes : LOSS_FLOAT_DTYPES;
		for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
			if (dtypes & LOSS_DTYPE_BIT(dtype))
				failed |= write_golden(
					&(struct case_golden){&case_families[i], (loss_dtype)dtype},
					isa, folder);
	}
	return failed;
}

static int print_uncovered(void)
{
	int found = 0;
	for (size_t i = 0; loss_at(i) != NULL; i++) {
		const char *name = case_uncovered(loss_at(i));
		if (name != NULL)
			printf("%s of %s\n", name, loss_at(i)->name);
		found |= name != NULL;
	}
	return found;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	if (argc == 2 && (strcmp(word, "list") == 0 || strcmp(word, "built") == 0)) {
		list(stdout, strcmp(word, "built") == 0);
		return 0;
	}
	if (argc == 2 && strcmp(word, "uncovered") == 0)
		return print_uncovered();
	bool golden = argc == 4 && strcmp(word, "golden") == 0;
	const char *isa = argc > 2 ? loss_isa_find(argv[golden ? 2 : 1]) : NULL;
	if (isa == NULL)
		return usage();
	if (golden)
		return write_all_golden(isa, argv[3]);
	return print_cases(isa, strtoull(argv[2], NULL, 10),
			   argc > 3 ? strtoull(argv[3], NULL, 10) : 0);
}
