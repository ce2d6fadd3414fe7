/* Groups and bytes of a draft. */
#include <string.h>

#include "case_draft.h"
#include "tensor.h"

#define MOST_GROUPS 8

/* An entry that is wrong wherever it counts. */
#define NO_GROUP 100
#define NO_BYTES (-1)

void case_settle_groups(struct case_draft *draft)
{
	case_start_field(draft, "n_groups");
	draft->has_n_groups = case_has_field(draft, "n_groups", 0.5);
	draft->groups = random_below(&draft->random, MOST_GROUPS);
	draft->n_groups = draft->groups + random_below(&draft->random, 3);
}

static bool is_signed(const struct loss_tensor *tensor)
{
	return loss_dtype_info(tensor->dtype)->dtype_class == LOSS_CLASS_SIGNED;
}

/* Of an unsigned type there is no place for rows of none. */
void case_fill_groups(struct case_draft *draft, struct loss_tensor *tensor)
{
	if (draft->groups == 0 && !is_signed(tensor))
		draft->groups = draft->n_groups = 1;
	for (size_t i = 0; i < tensor->count; i++) {
		bool none = draft->groups == 0 || random_chance(&draft->random, 0.1);
		int64_t group = (int64_t)random_below(&draft->random, draft->groups + 1);
		group = group < (int64_t)draft->groups ? group : 0;
		case_store_integer(tensor, i, none && is_signed(tensor) ? -1 - group : group);
	}
}

/* Where it is known how many groups there will be, they may have an entry each. */
bool case_bytes_by_group(struct case_draft *draft)
{
	bool groups = false;
	for (size_t i = 0; i < draft->loss->n_tensors; i++)
		groups |= draft->loss->tensors[i].role == LOSS_ROLE_GROUPS && draft->present[i];
	return groups && draft->has_n_groups && random_chance(&draft->random, 0.5);
}

void case_fill_bytes(struct case_draft *draft, const struct loss_tensor *tensor)
{
	for (size_t i = 0; i < tensor->count; i++)
		case_store_integer(tensor, i, (int64_t)random_below(&draft->random, 20));
}

void case_spoil_groups(loss_role role, const struct loss_tensor *tensor, size_t i)
{
	if (role == LOSS_ROLE_GROUPS)
		case_store_integer(tensor, i, NO_GROUP);
	else if (is_signed(tensor))
		case_store_integer(tensor, i, NO_BYTES);
}
