#include "targets.h"

/* What a value is compared with: classes as unsigned numbers, so that negative values are out of
 * range as well. */
struct range {
	uint64_t classes;
	uint64_t ignored;    /* the bits of ignore_index */
	bool can_be_ignored; /* a negative ignore_index never matches an unsigned target */
};

typedef void read_fn(const void *data, size_t n, const struct range *range, int64_t *classes);
typedef bool count_fn(const void *data, size_t n, const struct range *range, size_t *ignored);

/* Without branches on the values: what is ignored and what is invalid is not predictable. */
#define READERS(name, type, wide)                                                                  \
	static void read_##name(const void *data, size_t n, const struct range *range,             \
				int64_t *classes)                                                  \
	{                                                                                          \
		for (size_t i = 0; i < n; i++) {                                                   \
			uint64_t value = (uint64_t)(wide)((const type *)data)[i];                  \
			bool ignored = range->can_be_ignored & (value == range->ignored);          \
			int64_t class = value < range->classes ? (int64_t)value : TARGET_INVALID;  \
			classes[i] = ignored ? TARGET_IGNORED : class;                             \
		}                                                                                  \
	}                                                                                          \
	static bool count_##name(const void *data, size_t n, const struct range *range,            \
				 size_t *count)                                                    \
	{                                                                                          \
		size_t ignored = 0, valid = 0;                                                     \
		for (size_t i = 0; i < n; i++) {                                                   \
			uint64_t value = (uint64_t)(wide)((const type *)data)[i];                  \
			bool is_ignored = range->can_be_ignored & (value == range->ignored);       \
			ignored += is_ignored;                                                     \
			valid += is_ignored | (value < range->classes);                            \
		}                                                                                  \
		*count += ignored;                                                                 \
		return valid == n;                                                                 \
	}

READERS(i64, int64_t, int64_t)
READERS(i32, int32_t, int64_t)
READERS(i16, int16_t, int64_t)
READERS(i8, int8_t, int64_t)
READERS(u64, uint64_t, uint64_t)
READERS(u32, uint32_t, uint64_t)
READERS(u16, uint16_t, uint64_t)
READERS(u8, uint8_t, uint64_t)

static const struct reader {
	read_fn *read;
	count_fn *count;
} reader_table[LOSS_N_DTYPES] = {
	[LOSS_I64] = {read_i64, count_i64}, [LOSS_I32] = {read_i32, count_i32},
	[LOSS_I16] = {read_i16, count_i16}, [LOSS_I8] = {read_i8, count_i8},
	[LOSS_U64] = {read_u64, count_u64}, [LOSS_U32] = {read_u32, count_u32},
	[LOSS_U16] = {read_u16, count_u16}, [LOSS_U8] = {read_u8, count_u8},
};

static struct range range_of(const struct loss_plan *plan)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	bool is_signed = loss_dtype_info(targets->dtype)->class == LOSS_CLASS_SIGNED;
	return (struct range){
		.classes = plan->classes,
		.ignored = (uint64_t)plan->args.ignore_index,
		.can_be_ignored = is_signed || plan->args.ignore_index >= 0,
	};
}

static const void *element(const struct loss_tensor *tensor, size_t i)
{
	return (const unsigned char *)tensor->data + i * loss_dtype_info(tensor->dtype)->size;
}

/* Rows take the next row's target, but for the last of each sequence. */
static void read_shifted(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	struct range range = range_of(plan);
	size_t left = plan->rows - first - 1;
	reader_table[targets->dtype].read(element(targets, first + 1), n < left ? n : left, &range,
					  classes);
	for (size_t i = 0; i < n; i++)
		if (plan_is_last(plan, first + i))
			classes[i] = TARGET_IGNORED;
}

void targets_read(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	struct range range = range_of(plan);
	if (plan->shift_rows)
		read_shifted(plan, first, n, classes);
	else
		reader_table[targets->dtype].read(element(targets, first), n, &range, classes);
}

bool targets_count(const struct loss_plan *plan, size_t *ignored)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	struct range range = range_of(plan);
	*ignored = 0;
	if (!plan->shift_rows)
		return reader_table[targets->dtype].count(targets->data, plan->rows, &range,
							  ignored);
	count_fn *count = reader_table[targets->dtype].count;
	bool valid = true;
	for (size_t r = 0; r < plan->rows; r += plan->shift_rows) {
		valid &= count(element(targets, r + 1), plan->shift_rows - 1, &range, ignored);
		*ignored += 1;
	}
	return valid;
}
