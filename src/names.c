/* Finding names in the tables. */
#include <string.h>

#include "loss.h"
#include "names.h"

const struct loss_tensor_info *names_tensor_of_role(const struct loss_info *loss, loss_role role)
{
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (loss->tensors[i].role == role)
			return &loss->tensors[i];
	return NULL;
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
