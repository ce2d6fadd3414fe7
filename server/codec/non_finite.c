#include "non_finite.h"

#include <string.h>

const char *const non_finite_names[N_NON_FINITE] = {"string", "null", "python"};

#define ONE_OF "but must be \"string\", \"null\" or \"python\""

loss_status non_finite_set(struct non_finite_wish *wish, const struct loss_value *value,
			   struct loss_error *err)
{
	if (wish->given)
		return loss_fail(err, LOSS_DUPLICATE_FIELD, NON_FINITE_NAME,
				 NON_FINITE_NAME " is given twice; give it once");
	wish->given = value->type != LOSS_VALUE_NULL;
	if (!wish->given)
		return LOSS_OK;
	if (value->type != LOSS_VALUE_STRING)
		return loss_fail(err, LOSS_WRONG_TYPE, NON_FINITE_NAME,
				 NON_FINITE_NAME " is %.60s, " ONE_OF, value->text);
	for (int i = 0; i < N_NON_FINITE; i++) {
		if (strcmp(non_finite_names[i], value->text) != 0)
			continue;
		wish->style = (enum non_finite)i;
		return LOSS_OK;
	}
	return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, NON_FINITE_NAME,
			 NON_FINITE_NAME " is \"%.60s\", " ONE_OF, value->text);
}

bool non_finite_is_name(const char *name, size_t n)
{
	return n == strlen(NON_FINITE_NAME) && memcmp(name, NON_FINITE_NAME, n) == 0;
}
