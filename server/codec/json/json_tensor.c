#include "json_tensor.h"

#include <stdio.h>
#include <string.h>

/* Of the last two there is one; so of the others a tensor needs those before it. */
enum member { MEMBER_DTYPE, MEMBER_SHAPE, MEMBER_DATA, MEMBER_BASE64, N_MEMBERS };

static const char *const members[N_MEMBERS] = {"dtype", "shape", "data", "base64"};

#define HAS "a typed tensor has dtype, shape and data, or base64 in place of data"

/* Whether it can be of shape (0) alone: an element a row, and there are no rows. */
static bool has_rows(const struct loss_tensor_info *info)
{
	return info->role == LOSS_ROLE_TARGETS || info->role == LOSS_ROLE_MASK ||
	       info->extent == LOSS_EXTENT_ROWS || info->extent == LOSS_EXTENT_ROWS_OR_GROUPS;
}

void json_tensor_start(struct json_tensor *tensor, const struct loss_tensor_info *info,
		       struct loss_arena *arena, const struct decoder_limits *limits,
		       struct json_fault *fault)
{
	tensor->info = info;
	tensor->fault = fault;
	tensor->form = JSON_TENSOR_ABSENT;
	tensor->broken = false;
	tensor->dtype = LOSS_N_DTYPES;
	json_members_start(&tensor->members, members, N_MEMBERS);
	json_shape_start(&tensor->shape, info->name, limits, fault);
	json_elements_start(&tensor->elements, arena, limits);
	tensor->elements.fault = fault;
	tensor->elements.field = info->name;
	tensor->elements.may_be_empty = has_rows(info);
}

/* ---------------------------------------------------------------- faults */

/* The tensor is broken. Where to say why; NULL where nobody would read it. */
static struct loss_error *refuse(struct json_tensor *tensor, loss_status status, const char *member)
{
	tensor->broken = tensor->elements.stopped = true;
	return json_fault_claim(tensor->fault, status, tensor->info->name, member);
}

static void blame_member_type(struct json_tensor *tensor, const struct json_token *token,
			      const char *expected)
{
	const char *member = members[tensor->members.selected];
	struct loss_error *err = refuse(tensor, LOSS_WRONG_TYPE, member);
	char shown[JSON_SHOWN_SIZE];
	if (!err)
		return;
	json_fault_show(token, shown);
	loss_fail(err, LOSS_WRONG_TYPE, tensor->info->name, "%s.%s is %s, but must be %s",
		  tensor->info->name, member, shown, expected);
}

/* ---------------------------------------------------------------- dtype */

static void format_dtypes(unsigned dtypes, char *out, size_t size)
{
	size_t used = 0;
	for (int i = 0; i < LOSS_N_DTYPES && used < size; i++)
		if (dtypes & LOSS_DTYPE_BIT(i))
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 loss_dtype_info((loss_dtype)i)->name);
}

static void set_dtype(struct json_tensor *tensor, const struct json_token *token)
{
	struct loss_error *err;
	char shown[JSON_SHOWN_SIZE], allowed[96];
	tensor->dtype = loss_dtype_find(token->text, token->size);
	if (tensor->dtype != LOSS_N_DTYPES)
		return;
	err = refuse(tensor, LOSS_DTYPE_MISMATCH, "dtype");
	if (!err)
		return;
	json_fault_show(token, shown);
	format_dtypes(tensor->info->dtypes, allowed, sizeof allowed);
	loss_fail(err, LOSS_DTYPE_MISMATCH, tensor->info->name,
		  "%s.dtype is %s, but must be one of %s", tensor->info->name, shown, allowed);
}

static void read_dtype(struct json_tensor *tensor, const struct json_token *token)
{
	if (tensor->members.level > 0)
		return; /* inside an array or object, whose beginning was refused */
	if (token->event == JSON_STRING)
		set_dtype(tensor, token);
	else
		blame_member_type(tensor, token, "a string such as \"F32\"");
}

/* ---------------------------------------------------------------- shape */

static void read_shape(struct json_tensor *tensor, const struct json_token *token)
{
	unsigned level = tensor->members.level;
	if (level == 0 && token->event != JSON_ARRAY)
		blame_member_type(tensor, token, "an array of integers");
	else if (level == 1 && token->event == JSON_ARRAY_END)
		json_shape_end(&tensor->shape);
	else if (level == 1)
		json_shape_dimension(&tensor->shape, token);
	if (tensor->shape.broken)
		tensor->broken = tensor->elements.stopped = true;
}

/* ---------------------------------------------------------------- the typed form */

static void blame_key(struct json_tensor *tensor, const struct json_token *token, bool known)
{
	loss_status status = known ? LOSS_DUPLICATE_FIELD : LOSS_UNKNOWN_FIELD;
	char name[64];
	json_fault_copy(name, sizeof name, token->text, token->size);
	loss_fail(refuse(tensor, status, name), status, tensor->info->name,
		  known ? "%s.%s is given twice; give it once" : "%s has no member \"%s\": " HAS,
		  tensor->info->name, name);
}

/* How many bytes it has, where that is known already; else the most that it can have. */
static uint64_t expected_bytes(const struct json_tensor *tensor, bool *certain)
{
	const struct loss_dtype_traits *info =
		loss_dtype_info(tensor->dtype != LOSS_N_DTYPES ? tensor->dtype : LOSS_F64);
	*certain = tensor->dtype != LOSS_N_DTYPES && tensor->shape.ended;
	uint64_t elements = *certain ? tensor->shape.tensor.count : tensor->elements.max_elements;
	return elements < UINT64_MAX / info->size ? elements * info->size : UINT64_MAX;
}

/* Data is read as its dtype from the beginning where that is known. */
static void expect_member(struct json_tensor *tensor)
{
	bool certain;
	if (tensor->members.selected == MEMBER_DATA && tensor->dtype != LOSS_N_DTYPES)
		json_values_set_dtype(&tensor->elements.values, tensor->dtype);
	if (tensor->members.selected != MEMBER_BASE64)
		return;
	json_base64_start(&tensor->base64, tensor->info->name, tensor->elements.values.arena,
			  tensor->fault);
	/* After a fault nothing is kept, but the text is looked at. */
	uint64_t most = expected_bytes(tensor, &certain);
	json_base64_open(&tensor->base64, base64_kernels(tensor->isa), tensor->broken ? 0 : most,
			 certain);
}

static void read_base64(struct json_tensor *tensor, const struct json_token *token)
{
	if (tensor->members.level > 0)
		return; /* inside an array or object, whose beginning was refused */
	if (token->event != JSON_STRING)
		blame_member_type(tensor, token, "a string of base64");
	else
		json_base64_close(&tensor->base64);
	tensor->broken |= tensor->base64.broken;
}

static void read_member(struct json_tensor *tensor, const struct json_token *token)
{
	switch (tensor->members.selected) {
	case MEMBER_DTYPE:
		read_dtype(tensor, token);
		break;
	case MEMBER_SHAPE:
		read_shape(tensor, token);
		break;
	case MEMBER_BASE64:
		read_base64(tensor, token);
		break;
	default:
		json_elements_token(&tensor->elements, token);
		tensor->broken |= tensor->elements.stopped;
		break;
	}
}

static void blame_missing(struct json_tensor *tensor, size_t member)
{
	loss_fail(refuse(tensor, LOSS_MISSING_FIELD, members[member]), LOSS_MISSING_FIELD,
		  tensor->info->name, "%s.%s is missing: " HAS, tensor->info->name,
		  members[member]);
}

static void blame_both(struct json_tensor *tensor)
{
	loss_fail(refuse(tensor, LOSS_DUPLICATE_FIELD, members[MEMBER_BASE64]),
		  LOSS_DUPLICATE_FIELD, tensor->info->name,
		  "%s has both data and base64: give one of them", tensor->info->name);
}

/* The members are complete and each for itself is right. */
static void check_count(struct json_tensor *tensor)
{
	char shape[160] = "";
	size_t count = tensor->elements.values.count;
	if (tensor->elements.rank == 0 && tensor->shape.tensor.rank > 0) {
		loss_fail(refuse(tensor, LOSS_WRONG_TYPE, "data"), LOSS_WRONG_TYPE,
			  tensor->info->name,
			  "%s.data is a number, but must be a flat array, in row-major order",
			  tensor->info->name);
		return;
	}
	if (count == tensor->shape.tensor.count)
		return;
	loss_tensor_format_shape(&tensor->shape.tensor, shape, sizeof shape);
	loss_fail(refuse(tensor, LOSS_SHAPE_MISMATCH, "data"), LOSS_SHAPE_MISMATCH,
		  tensor->info->name, "%s.data has length %zu, but the shape %s has %zu elements",
		  tensor->info->name, count, shape, tensor->shape.tensor.count);
}

static void end_typed(struct json_tensor *tensor)
{
	bool base64 = json_tensor_is_base64(tensor);
	size_t needed = base64 ? MEMBER_DATA : MEMBER_BASE64;
	size_t missing = json_members_missing(&tensor->members, needed);
	if (base64 && json_members_has(&tensor->members, MEMBER_DATA))
		blame_both(tensor);
	if (missing < needed)
		blame_missing(tensor, missing);
	if (tensor->broken)
		return;
	if (!base64) {
		check_count(tensor);
		return;
	}
	json_base64_check(&tensor->base64, tensor->dtype, &tensor->shape.tensor);
	tensor->broken = tensor->base64.broken;
}

static void read_typed(struct json_tensor *tensor, const struct json_token *token)
{
	enum json_members_event event = json_members_take(&tensor->members, token);
	switch (event) {
	case JSON_MEMBERS_NAME:
		expect_member(tensor);
		break;
	case JSON_MEMBERS_TWICE:
	case JSON_MEMBERS_UNKNOWN:
		blame_key(tensor, token, event == JSON_MEMBERS_TWICE);
		break;
	case JSON_MEMBERS_VALUE:
		read_member(tensor, token);
		break;
	case JSON_MEMBERS_END:
		end_typed(tensor);
		break;
	default:
		break;
	}
}

/* ---------------------------------------------------------------- tokens */

/* The first token tells the form. */
static void start_value(struct json_tensor *tensor, const struct json_token *token)
{
	tensor->form = JSON_TENSOR_NESTED;
	if (token->event == JSON_OBJECT) {
		tensor->form = JSON_TENSOR_TYPED;
		tensor->elements.flat = true;
	} else if (tensor->info->role == LOSS_ROLE_INPUT) {
		json_values_set_dtype(&tensor->elements.values, LOSS_F32);
	} else if (tensor->info->kinds == LOSS_KIND_BOOLEAN) {
		json_values_set_dtype(&tensor->elements.values, LOSS_BOOL);
	}
}

void json_tensor_token(struct json_tensor *tensor, const struct json_token *token)
{
	if (tensor->form == JSON_TENSOR_ABSENT)
		start_value(tensor, token);
	if (tensor->form == JSON_TENSOR_TYPED) {
		read_typed(tensor, token);
		return;
	}
	json_elements_token(&tensor->elements, token);
	tensor->broken |= tensor->elements.stopped;
}

enum json_taken json_tensor_numbers(struct json_tensor *tensor, const char **p, const char *limit)
{
	bool data = tensor->form == JSON_TENSOR_NESTED ||
		    (tensor->form == JSON_TENSOR_TYPED && tensor->members.selected == MEMBER_DATA);
	return data ? json_elements_numbers(&tensor->elements, p, limit) : JSON_TAKEN_NOTHING;
}

const struct json_text_reader *json_tensor_reader(const struct json_tensor *tensor)
{
	bool begins = tensor->form == JSON_TENSOR_TYPED && tensor->members.depth == 1 &&
		      tensor->members.selected == MEMBER_BASE64;
	return begins ? &tensor->base64.reader : NULL;
}

bool json_tensor_is_base64(const struct json_tensor *tensor)
{
	return json_members_has(&tensor->members, MEMBER_BASE64);
}
