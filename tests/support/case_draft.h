/*
 * A problem of cases.h before it is evaluated. What is drawn for a field depends on the problem's
 * seed and the field alone: not on what other fields a loss has, nor on their order.
 */
#ifndef TESTS_SUPPORT_CASE_DRAFT_H
#define TESTS_SUPPORT_CASE_DRAFT_H

#include "cases.h"
#include "random.h"

struct case_draft {
	const struct case_family *family; /* NULL: anything goes */
	uint64_t seed;
	struct random random; /* begins anew for each field */
	struct loss_arena *arena;
	const struct loss_info *loss;
	bool by_class, class_last;
	bool scalar; /* the loss is one number */
	bool has_targets;
	bool probabilities, smoothed; /* the targets; by label_smoothing */
	bool clips;                   /* the objective */
	char text[32];                /* of the last argument */
	int64_t ignore_index;
	struct loss_tensor input, rows;
	size_t classes;
	bool has_n_groups;
	size_t groups, n_groups; /* that rows may be of; that the argument asks for */
	const char *distribution;
	struct loss_tensor tensors[LOSS_N_ROLES]; /* by index into loss->tensors */
	bool present[LOSS_N_ROLES];
};

/* FNV-1a, from CASE_HASH on. */
#define CASE_HASH 0xcbf29ce484222325u
uint64_t case_hash_bytes(uint64_t hash, const void *bytes, size_t n);
uint64_t case_hash_text(uint64_t hash, const char *text);

/* Whether a list, words with a space between them, has the word. */
bool case_has_word(const char *list, const char *word);

/* ---------------------------------------------------------------- of a field */

/* Begins its random numbers. */
void case_start_field(struct case_draft *draft, const char *name);
/* Whether the problem has what it need not have. */
bool case_has_field(struct case_draft *draft, const char *name, double chance);
/* Whether the tensor has been drawn. */
bool case_has_tensor(const struct case_draft *draft, const char *name);
/* What families do not have, whose problems stay as they are. */
bool case_odd_chance(struct case_draft *draft, double chance);

/* Before the tensors: the shape of grad_output follows from it. */
void case_set_reduction(struct case_draft *draft, struct loss_problem *problem);
/* After them: any legal value; that of class_axis follows from the shape. */
void case_set_argument(struct case_draft *draft, struct loss_problem *problem, size_t i);

/* Element i of an integer tensor: the value's low bits. */
void case_store_integer(const struct loss_tensor *tensor, size_t i, int64_t value);

/* ---------------------------------------------------------------- of groups: case_groups.c */

/* Before the tensors: how many groups there are, and whether that is said. */
void case_settle_groups(struct case_draft *draft);
void case_fill_groups(struct case_draft *draft, struct loss_tensor *tensor);
/* Whether bytes have an entry for each group. */
bool case_bytes_by_group(struct case_draft *draft);
void case_fill_bytes(struct case_draft *draft, const struct loss_tensor *tensor);
/* Makes element i of groups or bytes one that is wrong if it is read. */
void case_spoil_groups(loss_role role, const struct loss_tensor *tensor, size_t i);

/* Where class c of a row stands in the input. */
size_t case_place(const struct case_draft *draft, size_t row, size_t c);

/* ---------------------------------------------------------------- of teachers: case_teacher.c */

/* Whether the tensor is one of a teacher's, and the draft has it: all its tensors, or none, follow
 * from one number. */
bool case_is_teacher(const struct loss_tensor_info *info);
bool case_has_teacher(struct case_draft *draft, const struct loss_tensor_info *info);
void case_fill_teacher(struct case_draft *draft, const struct loss_tensor_info *info,
		       const struct loss_tensor *tensor);
/* Whether the tensor is one that broadcasts to the input's shape. */
static inline bool case_broadcasts(const struct loss_tensor_info *info)
{
	return info->extent == LOSS_EXTENT_BROADCAST || info->extent == LOSS_EXTENT_BROADCAST_ROWS;
}

/* ---------------------------------------------------------------- problems */

/* The problem of a draft that has its loss, its seed and its arena, and of a family its input's
 * dtype; `asked` says of each output of the loss whether it is asked for, where these tensors have
 * what it needs. */
struct loss_problem *case_problem(struct case_draft *draft, const char *isa, const bool *asked);

/*
 * Problem `number` of a loss, in the arena: any subset of its outputs, or now and then none named.
 */
struct loss_problem *case_draw(struct case_draft *draft, const struct loss_info *loss,
			       uint64_t number, struct loss_arena *arena);

#endif
