/* Finding names in the tables, exactly and nearly. */
#include <string.h>

#include "loss.h"
#include "names.h"

/* Longer names are compared by their beginning: no name of ours comes near. */
#define LONGEST 40

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Levenshtein's distance, one row of the table at a time. */
size_t names_distance(const char *a, size_t a_length, const char *b)
{
	size_t row[LONGEST + 1];
	size_t b_length = strlen(b);
	a_length = a_length > LONGEST ? LONGEST : a_length;
	b_length = b_length > LONGEST ? LONGEST : b_length;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, substitute);
		}
	}
	return row[b_length];
}

struct nearest {
	const char *name;
	size_t distance;
};

/* Whether the name, of three letters at least, stands in the candidate: "axis" in "class_axis". */
static bool is_part(const char *name, size_t n, const char *candidate)
{
	size_t length = strlen(candidate);
	for (size_t i = 0; n >= 3 && i + n <= length; i++)
		if (memcmp(candidate + i, name, n) == 0)
			return true;
	return false;
}

/* Who leaves out a part of a name is nearer to it than its letters say. */
static void consider(struct nearest *best, const char *candidate, const char *name, size_t n)
{
	size_t distance = names_distance(name, n, candidate);
	if (is_part(name, n, candidate))
		distance = (distance + 2) / 3;
	if (!best->name || distance < best->distance)
		*best = (struct nearest){candidate, distance};
}

const char *loss_nearest(const char *name, size_t n)
{
	struct nearest best = {NULL, 0};
	for (size_t i = 0; loss_at(i); i++)
		consider(&best, loss_at(i)->name, name, n);
	return best.name;
}

const char *loss_nearest_of(const char *const *names, size_t n_names, const char *name, size_t n)
{
	struct nearest best = {NULL, 0};
	for (size_t i = 0; i < n_names; i++)
		consider(&best, names[i], name, n);
	return best.name;
}

const struct loss_tensor_info *names_tensor_of_role(const struct loss_info *loss, loss_role role)
{
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (loss->tensors[i].role == role)
			return &loss->tensors[i];
	return NULL;
}

/* A name that another loss has for the same thing: its "logits" are this one's "log_probs". */
static const char *namesake(const struct loss_info *loss, const char *name, size_t n)
{
	const struct loss_info *other;
	for (size_t i = 0; (other = loss_at(i)) != NULL; i++) {
		int found = loss_find_tensor(other, name, n);
		const struct loss_tensor_info *tensor =
			found < 0 ? NULL : names_tensor_of_role(loss, other->tensors[found].role);
		if (tensor)
			return tensor->name;
	}
	return NULL;
}

const char *loss_nearest_field(const struct loss_info *loss, const char *name, size_t n)
{
	struct nearest best = {NULL, 0};
	const char *same = namesake(loss, name, n);
	if (same)
		return same;
	consider(&best, "outputs", name, n);
	for (size_t i = 0; i < loss->n_tensors; i++)
		consider(&best, loss->tensors[i].name, name, n);
	for (size_t i = 0; i < loss->n_arguments; i++)
		consider(&best, loss->arguments[i]->name, name, n);
	return best.name;
}

const char *names_nearest_output(const struct loss_info *loss, const char *name)
{
	struct nearest best = {NULL, 0};
	for (size_t i = 0; i < loss->n_outputs; i++)
		consider(&best, loss->outputs[i]->name, name, strlen(name));
	return best.name;
}

bool names_equal(const char *terminated, const char *name, size_t n)
{
	return strlen(terminated) == n && memcmp(terminated, name, n) == 0;
}

int loss_find_tensor(const struct loss_info *loss, const char *name, size_t n)
{
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (names_equal(loss->tensors[i].name, name, n))
			return (int)i;
	return -1;
}

int loss_find_argument(const struct loss_info *loss, const char *name, size_t n)
{
	for (size_t i = 0; i < loss->n_arguments; i++)
		if (names_equal(loss->arguments[i]->name, name, n))
			return (int)i;
	return -1;
}
