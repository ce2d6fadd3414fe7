#include "json_values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/number/number_run.h"

/* Integers up to here are doubles without an error. */
#define EXACT_IN_DOUBLE (UINT64_C(1) << 53)
/* Elements that room is made for at once. */
#define BATCH ((size_t)4096)
/* Of an element and its comma, at the least of what people send. */
#define USUAL_CHARS 4

void json_values_start(struct json_values *values, struct loss_arena *arena)
{
	*values = (struct json_values){.arena = arena, .open = true};
}

void json_values_set_dtype(struct json_values *values, loss_dtype dtype)
{
	values->open = false;
	values->dtype = dtype;
}

void json_mark_set(struct json_mark *mark, size_t index, const char *text, size_t size)
{
	bool cut = size >= sizeof mark->text;
	size_t shown = cut ? sizeof mark->text - sizeof "..." : size;
	mark->set = true;
	mark->index = index;
	memcpy(mark->text, text, shown);
	memset(mark->text + shown, '\0', sizeof mark->text - shown);
	if (cut)
		memcpy(mark->text + shown, "...", sizeof "...");
}

static size_t element_size(const struct json_values *values)
{
	return values->open ? sizeof(uint64_t) : loss_dtype_info(values->dtype)->size;
}

static bool reserve(struct json_values *values, size_t n)
{
	const struct loss_buffer *buffer = values->buffer;
	/* Mostly there is room, of rows for all that is likely to come. */
	if (buffer && n <= (buffer->capacity - buffer->size) / sizeof(uint64_t))
		return true;
	if (!buffer)
		values->buffer = loss_buffer_create(values->arena);
	return values->buffer && loss_buffer_reserve(values->buffer, n * element_size(values));
}

/* ---------------------------------------------------------------- integers */

/* The largest magnitude of a negative or other integer of the dtype. */
static uint64_t largest(loss_dtype dtype, bool negative)
{
	const struct loss_dtype_traits *info = loss_dtype_info(dtype);
	unsigned bits = (unsigned)info->size * 8;
	switch (info->dtype_class) {
	case LOSS_CLASS_SIGNED:
		return (UINT64_C(1) << (bits - 1)) - !negative;
	case LOSS_CLASS_UNSIGNED:
		return negative ? 0 : UINT64_MAX >> (64 - bits);
	default:
		return !negative;
	}
}

static bool fits(loss_dtype dtype, const struct number *number)
{
	return number->is_integer && number->fits &&
	       number->magnitude <= largest(dtype, number->negative);
}

void json_values_range(loss_dtype dtype, char *out, size_t size)
{
	uint64_t below = largest(dtype, true);
	snprintf(out, size, "%s%" PRIu64 "..%" PRIu64, below ? "-" : "", below,
		 largest(dtype, false));
}

static uint64_t bits_of(const struct number *number)
{
	return number->negative ? -number->magnitude : number->magnitude;
}

static void write_integer(unsigned char *out, size_t size, uint64_t bits)
{
	uint8_t bits8 = (uint8_t)bits;
	uint16_t bits16 = (uint16_t)bits;
	uint32_t bits32 = (uint32_t)bits;
	const void *from = size == 1   ? (void *)&bits8
			   : size == 2 ? (void *)&bits16
			   : size == 4 ? (void *)&bits32
				       : (void *)&bits;
	memcpy(out, from, size);
}

/* ---------------------------------------------------------------- storing */

/* Whether all integers up to this one are int64, or all uint64. -0 is neither: it has a sign to
 * keep. */
static bool joins_integers(const struct json_values *values, const struct number *number)
{
	if (!number->is_integer || !number->fits)
		return false;
	if (number->negative)
		return number->magnitude > 0 && number->magnitude <= UINT64_C(1) << 63 &&
		       !values->huge;
	return number->magnitude <= INT64_MAX || !values->negative;
}

static bool add_inexact(struct json_values *values, const char *text, size_t size)
{
	struct json_mark mark;
	json_mark_set(&mark, values->count, text, size);
	if (!values->inexact)
		values->inexact = loss_buffer_create(values->arena);
	return values->inexact && loss_buffer_append(values->inexact, &mark, sizeof mark);
}

/* Stores an open element; false when there is no memory. */
static bool store_open(struct json_values *values, const struct number *number, const char *text,
		       size_t size)
{
	unsigned char *out = values->buffer->data + values->buffer->size;
	if (!values->split && joins_integers(values, number)) {
		uint64_t bits = bits_of(number);
		memcpy(out, &bits, sizeof bits);
		values->negative |= number->negative;
		values->huge |= !number->negative && number->magnitude > INT64_MAX;
		values->n_integers++;
		return true;
	}
	values->split = true;
	memcpy(out, &number->value, sizeof number->value);
	if (!number->is_integer && !values->fraction.set)
		json_mark_set(&values->fraction, values->count, text, size);
	bool inexact = !number->fits || number->magnitude > EXACT_IN_DOUBLE;
	return !number->is_integer || !inexact || add_inexact(values, text, size);
}

/* Stores one element, for which there is room; false when it does not fit the dtype, or, of open
 * ones, when there is no memory to remember how it was written. */
static inline bool store(struct json_values *values, const struct number *number, const char *text,
			 size_t size)
{
	unsigned char *out = values->buffer->data + values->buffer->size;
	size_t width = sizeof(uint64_t);
	if (values->open) {
		if (!store_open(values, number, text, size))
			return false;
	} else if (values->dtype == LOSS_F32) {
		float value = (float)number->value;
		width = sizeof value;
		memcpy(out, &value, width);
	} else if (values->dtype == LOSS_F64) {
		memcpy(out, &number->value, width);
	} else if (LOSS_DTYPE_BIT(values->dtype) & LOSS_FLOAT_DTYPES) {
		width = element_size(values);
		loss_float_put(values->dtype, out, 0, number->value);
	} else {
		if (!fits(values->dtype, number))
			return false;
		width = element_size(values);
		write_integer(out, width, bits_of(number));
	}
	values->buffer->size += width;
	values->count++;
	return true;
}

/* The number that a token stands for; false for one that stands for none. */
static bool number_of(const struct json_token *token, struct number *number)
{
	bool boolean = token->event == JSON_TRUE || token->event == JSON_FALSE;
	*number = (struct number){.is_integer = boolean, .fits = boolean};
	switch (token->event) {
	case JSON_NUMBER:
		*number = token->number;
		return true;
	case JSON_TRUE:
		number->magnitude = 1;
		number->value = 1.0;
		return true;
	case JSON_FALSE:
		return true;
	case JSON_NAN:
		number->value = (double)NAN;
		return true;
	case JSON_INFINITY:
		number->value = (double)INFINITY;
		return true;
	case JSON_MINUS_INFINITY:
		number->value = -(double)INFINITY;
		return true;
	default:
		return false;
	}
}

loss_status json_values_put(struct json_values *values, const struct json_token *token,
			    struct loss_error *err)
{
	struct number number;
	bool boolean = token->event == JSON_TRUE || token->event == JSON_FALSE;
	if (!number_of(token, &number))
		return LOSS_WRONG_TYPE;
	if (boolean && !values->open && values->dtype != LOSS_BOOL)
		return LOSS_WRONG_TYPE;
	if (!reserve(values, 1))
		return loss_arena_failure(values->arena, err);
	if (boolean && !values->boolean.set)
		json_mark_set(&values->boolean, values->count, token->text, token->size);
	if (store(values, &number, token->text, token->size))
		return LOSS_OK;
	return values->open ? loss_arena_failure(values->arena, err) : LOSS_DTYPE_MISMATCH;
}

/* ---------------------------------------------------------------- the fast way */

static bool starts_number(const char *p, const char *limit)
{
	return p < limit && (*p == '-' || (*p >= '0' && *p <= '9'));
}

/* Reads numbers of the plainest form to where they are stored, at most n; as number_run_f32. */
typedef size_t run_plain(struct json_values *values, const char **p, const char *limit, size_t n,
			 bool *comma);

static void *end_of(const struct json_values *values)
{
	return values->buffer->data + values->buffer->size;
}

static size_t run_floats(struct json_values *values, const char **p, const char *limit, size_t n,
			 bool *comma)
{
	size_t stored = number_run_f32(p, limit, end_of(values), n, comma);
	values->buffer->size += stored * sizeof(float);
	return stored;
}

static size_t run_integers(struct json_values *values, const char **p, const char *limit, size_t n,
			   bool *comma)
{
	int64_t *out = end_of(values);
	size_t stored = number_run_i64(p, limit, out, n, comma);
	for (size_t i = 0; i < stored; i++)
		values->negative |= out[i] < 0;
	values->n_integers += stored;
	values->buffer->size += stored * sizeof *out;
	return stored;
}

static size_t run_nothing(struct json_values *values, const char **p, const char *limit, size_t n,
			  bool *comma)
{
	(void)values, (void)p, (void)limit, (void)n, (void)comma;
	return 0;
}

/* How plain numbers are read, as things stand: open values are integers up to the first that is
 * none. */
static run_plain *plain_of(const struct json_values *values)
{
	if (values->open)
		return values->split || values->huge ? run_nothing : run_integers;
	return values->dtype == LOSS_F32   ? run_floats
	       : values->dtype == LOSS_I64 ? run_integers
					   : run_nothing;
}

/* One number of any form; false where it is left. */
static bool run_other(struct json_values *values, const char **p, const char *limit, bool *comma)
{
	const char *next = *p, *end;
	struct number number;
	if (number_scan(next, limit, &end, &number) != NUMBER_OK ||
	    (size_t)(end - next) > JSON_NUMBER_MAX ||
	    !store(values, &number, next, (size_t)(end - next)))
		return false;
	*comma = *end == ',';
	for (end += *comma; *comma && end < limit && *end == ' ';)
		end++;
	*p = end;
	return true;
}

/* Up to n numbers, for which there is room. */
static size_t run_batch(struct json_values *values, const char **p, const char *limit, size_t n,
			enum json_taken *taken)
{
	size_t stored = 0;
	bool comma = true;
	while (comma && stored < n && starts_number(*p, limit)) {
		size_t run = plain_of(values)(values, p, limit, n - stored, &comma);
		values->count += run;
		if (run == 0 && !run_other(values, p, limit, &comma))
			break;
		stored += run > 0 ? run : 1;
		*taken = comma ? JSON_TAKEN_COMMA : JSON_TAKEN_NUMBER;
	}
	return stored;
}

size_t json_values_run(struct json_values *values, const char **p, const char *limit, size_t room,
		       enum json_taken *taken)
{
	size_t stored = 0, n, batch;
	*taken = JSON_TAKEN_NOTHING;
	do {
		/* As many as there are likely to be, at most; more of them are more batches. */
		size_t likely = (size_t)(limit - *p) / USUAL_CHARS + 1;
		batch = room - stored < BATCH ? room - stored : BATCH;
		batch = batch < likely ? batch : likely;
		if (batch == 0 || !reserve(values, batch))
			break; /* the way of single tokens finds the same failure and reports it */
		n = run_batch(values, p, limit, batch, taken);
		stored += n;
	} while (n == batch && *taken == JSON_TAKEN_COMMA);
	return stored;
}

/* ---------------------------------------------------------------- open values */

static double double_at(const struct json_values *values, size_t i)
{
	const unsigned char *at = values->buffer->data + i * sizeof(uint64_t);
	double value;
	uint64_t bits;
	memcpy(&value, at, sizeof value);
	memcpy(&bits, at, sizeof bits);
	if (i >= values->n_integers)
		return value;
	return values->huge ? (double)bits : (double)(int64_t)bits;
}

/* Of those not stored exactly the k-th, if that is element i; else NULL. */
static const struct json_mark *inexact_at(const struct json_values *values, size_t k, size_t i)
{
	const struct json_mark *marks =
		values->inexact ? (const void *)values->inexact->data : NULL;
	bool is_there = marks && k < values->inexact->size / sizeof *marks && marks[k].index == i;
	return is_there ? &marks[k] : NULL;
}

/* The integer that element i is, of which k before it are not stored exactly. Not one that fits
 * where it is none, or has more digits than a mark. */
static struct number integer_at(const struct json_values *values, size_t k, size_t i)
{
	struct number number = {.value = double_at(values, i)};
	const struct json_mark *inexact = inexact_at(values, k, i);
	uint64_t bits;
	if (inexact && number_parse(inexact->text, strlen(inexact->text), &number) == NUMBER_OK)
		return number;
	memcpy(&bits, values->buffer->data + i * sizeof bits, sizeof bits);
	number.negative = signbit(number.value) != 0;
	if (i < values->n_integers)
		number.magnitude = number.negative ? -bits : bits;
	else if (!inexact && fabs(number.value) <= (double)EXACT_IN_DOUBLE)
		number.magnitude = (uint64_t)fabs(number.value);
	else
		return number;
	number.is_integer = number.fits = !(values->fraction.set && i == values->fraction.index);
	return number;
}

static void resolve_floats(struct json_values *values, loss_dtype dtype)
{
	for (size_t i = 0; i < values->count; i++)
		loss_float_put(dtype, values->buffer->data, i, double_at(values, i));
}

/* How an element that does not fit was written. */
static void describe(const struct json_values *values, size_t k, size_t i, struct json_mark *mark)
{
	struct number number = integer_at(values, k, i);
	const struct json_mark *inexact = inexact_at(values, k, i);
	char text[32] = "-", *digits = text + number.negative;
	size_t size = number_format_u64(number.magnitude, digits);
	json_mark_set(mark, i, text, (size_t)(digits - text) + size);
	if (values->fraction.set && values->fraction.index == i)
		*mark = values->fraction;
	else if (inexact)
		*mark = *inexact;
}

static loss_status resolve_integers(struct json_values *values, loss_dtype dtype,
				    struct json_mark *first)
{
	size_t size = loss_dtype_info(dtype)->size, k = 0;
	for (size_t i = 0; i < values->count; i++) {
		struct number number = integer_at(values, k, i);
		if (!fits(dtype, &number)) {
			describe(values, k, i, first);
			return LOSS_DTYPE_MISMATCH;
		}
		k += inexact_at(values, k, i) != NULL;
		write_integer(values->buffer->data + i * size, size, bits_of(&number));
	}
	return LOSS_OK;
}

/* The elements are of this dtype now. */
static void close(struct json_values *values, loss_dtype dtype)
{
	values->open = false;
	values->dtype = dtype;
	if (values->buffer)
		values->buffer->size = values->count * loss_dtype_info(dtype)->size;
}

loss_status json_values_resolve(struct json_values *values, loss_dtype dtype,
				struct json_mark *first)
{
	loss_status status = LOSS_OK;
	bool is_float = loss_dtype_info(dtype)->dtype_class == LOSS_CLASS_FLOAT;
	if (values->boolean.set && dtype != LOSS_BOOL) {
		*first = values->boolean;
		return LOSS_WRONG_TYPE;
	}
	if (values->count > 0 && is_float)
		resolve_floats(values, dtype);
	else if (values->count > 0)
		status = resolve_integers(values, dtype, first);
	if (status == LOSS_OK)
		close(values, dtype);
	return status;
}

/* Element i fits no integer dtype. */
static bool add_beyond(struct json_values *values, size_t k, size_t i)
{
	const struct json_mark *inexact = inexact_at(values, k, i);
	struct loss_beyond beyond = {.flat_index = i, .text = inexact ? inexact->text : NULL};
	if (!values->beyond)
		values->beyond = loss_buffer_create(values->arena);
	if (!inexact) {
		struct json_mark *mark = loss_arena_array(values->arena, struct json_mark, 1);
		if (!mark)
			return false;
		describe(values, k, i, mark);
		beyond.text = mark->text;
	}
	return values->beyond && loss_buffer_append(values->beyond, &beyond, sizeof beyond);
}

/* Whether some integer is below 0 where others are above INT64_MAX. */
static bool are_mixed(const struct json_values *values)
{
	bool negative = false;
	for (size_t i = values->n_integers; values->huge && i < values->count; i++)
		negative |= double_at(values, i) < 0.0;
	return negative;
}

bool json_values_resolve_indices(struct json_values *values)
{
	bool mixed = are_mixed(values);
	loss_dtype dtype = values->huge && !mixed ? LOSS_U64 : LOSS_I64;
	/* The integers before the split are of that dtype already, unless they are mixed. */
	for (size_t k = 0, i = mixed ? 0 : values->n_integers; i < values->count; i++) {
		struct number number = integer_at(values, k, i);
		uint64_t bits = bits_of(&number);
		if (!fits(dtype, &number) && !add_beyond(values, k, i))
			return false;
		k += inexact_at(values, k, i) != NULL;
		memcpy(values->buffer->data + i * sizeof bits, &bits, sizeof bits);
	}
	close(values, dtype);
	return true;
}
