#include "safetensors_header.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status/status.h"

enum member { MEMBER_DTYPE, MEMBER_SHAPE, MEMBER_OFFSETS, N_MEMBERS };
static const char *const member_names[N_MEMBERS] = {"dtype", "shape", "data_offsets"};

#define METADATA "__metadata__"

/* ---------------------------------------------------------------- faults */

/* Where a fault is written; NULL where nobody would read it. */
static struct loss_error *refuse(struct safetensors_header *header, loss_status status,
				 const char *field)
{
	return fault_claim_field(&header->fault.kept, status, field);
}

/* A broken rule of the format; `name` is the tensor's, or NULL where none is to blame. */
__attribute__((format(printf, 3, 4))) static void blame(struct safetensors_header *header,
							const char *name, const char *format, ...)
{
	struct loss_error *err = refuse(header, STATUS_INVALID_SAFETENSORS, "");
	char text[sizeof err->detail];
	va_list arguments;
	if (!err)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	bool known = name && loss_find_tensor(header->loss, name, strlen(name)) >= 0;
	loss_fail(err, STATUS_INVALID_SAFETENSORS, known ? name : NULL, "%s", text);
}

static void note_unknown(struct safetensors_header *header, const struct json_token *token)
{
	static const struct loss_word words[] = {
		{"outputs", "it stands in the query string: ?outputs=loss,grad"},
		{"compress", "it stands in the query string: ?compress=true"},
	};
	struct loss_error *err = refuse(header, LOSS_UNKNOWN_FIELD, header->name);
	const struct loss_place place = {
		.loss = header->loss,
		.kinds = LOSS_NAME_TENSOR,
		.to_arguments = "give it in the query string",
		.to_outputs = "name it in the query string, as in ?outputs=loss,grad",
		.words = words,
		.n_words = sizeof words / sizeof *words,
	};
	char hint[LOSS_HINT_CHARS];
	if (!err)
		return;
	loss_hint_name(&place, token->text, token->size, hint, sizeof hint);
	loss_fail(err, LOSS_UNKNOWN_FIELD, header->name, "%s has no tensor \"%s\"; %s",
		  header->loss->name, header->name, hint);
}

/* ---------------------------------------------------------------- a tensor begins */

static int find_tensor(const struct safetensors_header *header, const struct json_token *token)
{
	if (header->alias && strcmp(token->text, header->alias) == 0)
		return header->alias_of;
	return loss_find_tensor(header->loss, token->text, token->size);
}

static void start_tensor(struct safetensors_header *header, const struct json_token *token)
{
	json_fault_copy(header->name, sizeof header->name, token->text, token->size);
	header->in_metadata = strcmp(token->text, METADATA) == 0;
	header->entry = (struct safetensors_entry){
		.i = find_tensor(header, token),
		.name = header->names->size,
	};
	if (!loss_buffer_append(header->names, token->text, token->size + 1))
		fault_note_memory(&header->fault.kept, header->arena);
	if (header->entry.i < 0 && !header->in_metadata)
		note_unknown(header, token);
	header->overflows = false;
	header->n_offsets = header->n_dimensions = 0;
	header->elements = 1;
	header->dtype = LOSS_N_DTYPES;
	json_members_start(&header->members, header->in_metadata ? NULL : member_names,
			   header->in_metadata ? 1 : N_MEMBERS);
	json_shape_start(&header->shape, header->name, header->limits, &header->fault);
}

/* ---------------------------------------------------------------- values */

static void blame_value(struct safetensors_header *header, const struct json_token *token,
			const char *must_be)
{
	char shown[JSON_SHOWN_SIZE];
	if (!refuse(header, STATUS_INVALID_SAFETENSORS, ""))
		return;
	json_fault_show(token, shown);
	if (header->in_metadata || header->members.selected == N_MEMBERS)
		blame(header, header->name, "the header has %s for \"%s\", which must be %s", shown,
		      header->name, must_be);
	else
		blame(header, header->name, "the header has %s in %s of \"%s\", which must be %s",
		      shown, member_names[header->members.selected], header->name, must_be);
}

static void read_dtype(struct safetensors_header *header, const struct json_token *token)
{
	if (token->event == JSON_STRING)
		header->dtype = loss_dtype_find(token->text, token->size);
	if (header->dtype == LOSS_N_DTYPES)
		blame_value(header, token,
			    "one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, "
			    "U32, U16, U8, BOOL");
}

/* A whole number below 2^64; the format has no other. */
static bool read_number(struct safetensors_header *header, const struct json_token *token,
			uint64_t *value)
{
	const struct number *number = &token->number;
	*value = 0;
	if (token->event == JSON_NUMBER && number->fits && !number->negative) {
		*value = number->magnitude;
		return true;
	}
	blame_value(header, token, "whole numbers from 0 to 18446744073709551615");
	return false;
}

/* Twice over: against the format, which knows no limits but 64 bits, and against the server's. */
static void read_dimension(struct safetensors_header *header, const struct json_token *token)
{
	uint64_t dimension;
	bool good = read_number(header, token, &dimension);
	header->overflows |= __builtin_mul_overflow(header->elements, dimension, &header->elements);
	if (good && header->entry.i >= 0)
		json_shape_dimension(&header->shape, token);
	header->n_dimensions++;
}

static void read_offset(struct safetensors_header *header, const struct json_token *token)
{
	uint64_t offset;
	if (!read_number(header, token, &offset))
		return;
	if (header->n_offsets < 2)
		header->offsets[header->n_offsets] = offset;
	header->n_offsets++;
}

static void read_member(struct safetensors_header *header, const struct json_token *token)
{
	unsigned level = header->members.level;
	size_t member = header->members.selected;
	if (header->in_metadata) {
		if (level == 0 && token->event != JSON_STRING)
			blame_value(header, token, "an object of strings");
	} else if (level == 0 && member == MEMBER_DTYPE) {
		read_dtype(header, token);
	} else if (level == 0 && token->event != JSON_ARRAY) {
		blame_value(header, token, "an array");
	} else if (level == 1 && token->event != JSON_ARRAY_END) {
		if (member == MEMBER_SHAPE)
			read_dimension(header, token);
		else if (member == MEMBER_OFFSETS)
			read_offset(header, token);
	}
}

/* ---------------------------------------------------------------- a tensor ends */

static bool has_all_members(struct safetensors_header *header)
{
	size_t missing = json_members_missing(&header->members, N_MEMBERS);
	if (missing < N_MEMBERS)
		blame(header, header->name, "the header has no %s of \"%s\"", member_names[missing],
		      header->name);
	else if (header->n_offsets != 2)
		blame(header, header->name,
		      "the header has %zu data_offsets of \"%s\", which must be two: the begin and "
		      "the end "
		      "of its bytes",
		      header->n_offsets, header->name);
	return missing == N_MEMBERS && header->n_offsets == 2;
}

/* dtype and shape make as many bytes as the offsets span. */
static bool check_span(struct safetensors_header *header)
{
	uint64_t begin = header->offsets[0], end = header->offsets[1], bytes;
	if (header->dtype == LOSS_N_DTYPES)
		return false; /* blamed already */
	header->overflows |= __builtin_mul_overflow(header->elements,
						    loss_dtype_info(header->dtype)->size, &bytes);
	if (header->overflows)
		blame(header, header->name, "the shape of \"%s\" has more than 2^64 bytes",
		      header->name);
	else if (begin > end)
		blame(header, header->name,
		      "the data_offsets of \"%s\" begin at %" PRIu64 ", after their end at "
		      "%" PRIu64,
		      header->name, begin, end);
	else if (end - begin != bytes)
		blame(header, header->name,
		      "the data_offsets of \"%s\" span %" PRIu64 " bytes, but its dtype and shape "
		      "take %" PRIu64,
		      header->name, end - begin, bytes);
	else
		return true;
	return false;
}

static void end_tensor(struct safetensors_header *header)
{
	if (!header->in_metadata && (!has_all_members(header) || !check_span(header)))
		return;
	struct safetensors_entry *entry = &header->entry;
	entry->begin = header->in_metadata ? 0 : header->offsets[0];
	entry->end = header->in_metadata ? 0 : header->offsets[1];
	if (entry->i >= 0) {
		json_shape_end(&header->shape);
		header->shape.tensor.dtype = header->dtype;
		header->tensors[entry->i] = header->shape.tensor;
		header->present[entry->i] = true;
	}
	if (!loss_buffer_append(header->entries, entry, sizeof *entry))
		fault_note_memory(&header->fault.kept, header->arena);
}

/* ---------------------------------------------------------------- tokens */

static void read_tensor(struct safetensors_header *header, const struct json_token *token)
{
	switch (json_members_take(&header->members, token)) {
	case JSON_MEMBERS_NO_OBJECT:
		if (header->in_metadata && token->event == JSON_NULL)
			end_tensor(header); /* some writers' word for none */
		else
			blame_value(header, token, "an object");
		break;
	case JSON_MEMBERS_TWICE:
		blame(header, header->name, "the header has %s of \"%s\" twice", token->text,
		      header->name);
		break;
	case JSON_MEMBERS_UNKNOWN:
		blame(header, header->name,
		      "the header has \"%.40s\" in \"%s\", where only dtype, shape and "
		      "data_offsets may stand",
		      token->text, header->name);
		break;
	case JSON_MEMBERS_NULL: /* is no way to leave something out */
	case JSON_MEMBERS_VALUE:
		read_member(header, token);
		break;
	case JSON_MEMBERS_END:
		end_tensor(header);
		break;
	default:
		break;
	}
}

static void on_token(void *context, const struct json_token *token)
{
	struct safetensors_header *header = context;
	if (fault_is_fatal(&header->fault.kept))
		return;
	switch (json_members_take(&header->by_name, token)) {
	case JSON_MEMBERS_NAME:
		start_tensor(header, token);
		break;
	case JSON_MEMBERS_NULL:
	case JSON_MEMBERS_VALUE:
		read_tensor(header, token);
		break;
	default:
		break;
	}
}

bool safetensors_header_start(struct safetensors_header *header, const struct decoder_setup *setup,
			      const struct decoder_limits *limits)
{
	*header = (struct safetensors_header){
		.loss = loss_problem_info(setup->problem),
		.arena = setup->arena,
		.fault = {.kept = {.arena = setup->arena}},
		.limits = limits,
		.entries = loss_buffer_create(setup->arena),
		.names = loss_buffer_create(setup->arena),
	};
	json_members_start(&header->by_name, NULL, 1);
	json_scan_start(&header->scan, setup->arena,
			&(struct json_scan_owner){on_token, NULL, header});
	return header->entries && header->names;
}

void safetensors_header_feed(struct safetensors_header *header, const unsigned char *bytes,
			     size_t n)
{
	json_scan_feed(&header->scan, (const char *)bytes, n);
}

/* ---------------------------------------------------------------- the whole header */

size_t safetensors_header_count(const struct safetensors_header *header)
{
	return header->entries->size / sizeof(struct safetensors_entry);
}

const struct safetensors_entry *safetensors_header_at(const struct safetensors_header *header,
						      size_t k)
{
	return (const struct safetensors_entry *)(const void *)header->entries->data + k;
}

static const char *name_of(const struct safetensors_header *header,
			   const struct safetensors_entry *entry)
{
	return (const char *)header->names->data + entry->name;
}

const char *safetensors_header_name(const struct safetensors_header *header, size_t k)
{
	return name_of(header, safetensors_header_at(header, k));
}

static int by_name(const void *a, const void *b, void *header)
{
	return strcmp(name_of(header, a), name_of(header, b));
}

static int by_offset(const void *a, const void *b, void *header)
{
	const struct safetensors_entry *x = a, *y = b;
	(void)header;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static void sort(struct safetensors_header *header,
		 int (*order)(const void *, const void *, void *))
{
	size_t n = safetensors_header_count(header);
	if (n > 1)
		qsort_r(header->entries->data, n, sizeof(struct safetensors_entry), order, header);
}

static void check_names(struct safetensors_header *header)
{
	sort(header, by_name);
	for (size_t k = 1; k < safetensors_header_count(header); k++) {
		const struct safetensors_entry *entry = safetensors_header_at(header, k);
		const char *name = name_of(header, entry);
		if (strcmp(name, name_of(header, entry - 1)) == 0) {
			blame(header, name, "the header has \"%.60s\" twice", name);
			return;
		}
	}
}

static void check_coverage(struct safetensors_header *header)
{
	uint64_t at = 0;
	sort(header, by_offset);
	for (size_t k = 0; k < safetensors_header_count(header); k++) {
		const struct safetensors_entry *entry = safetensors_header_at(header, k);
		const char *name = name_of(header, entry);
		if (entry->begin != at) {
			blame(header, name,
			      "the data_offsets of \"%.60s\" begin at %" PRIu64 ", but must at "
			      "%" PRIu64 ", where the bytes before them end: the tensors may have "
			      "no gap between them and no overlap",
			      name, entry->begin, at);
			return;
		}
		at = entry->end;
	}
	header->data_bytes = at;
}

/* Of a required tensor that is not there the loss is not asked any more. */
static void note_missing(struct safetensors_header *header)
{
	for (size_t i = 0; i < header->loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &header->loss->tensors[i];
		if (!info->required || header->present[i])
			continue;
		loss_fail(refuse(header, LOSS_MISSING_FIELD, info->name), LOSS_MISSING_FIELD,
			  info->name, "%s is missing, but %s needs it", info->name,
			  header->loss->name);
	}
}

/* What the scanner says becomes the format's error, unless there was no memory. */
static void finish_scan(struct safetensors_header *header)
{
	struct loss_error err;
	loss_status status = json_scan_finish(&header->scan, &err);
	if (status == LOSS_OK)
		return;
	if (status_precedes(status, STATUS_EMPTY_BODY))
		fault_note(&header->fault.kept, status, &err);
	else if (header->scan.end > 0)
		blame(header, NULL,
		      "the header is not valid JSON: %.300s; it ends after %" PRIu64
		      " bytes, and the body's first 8 must say so",
		      err.detail, header->scan.end);
	else
		blame(header, NULL, "the header is not valid JSON: %s", err.detail);
}

void safetensors_header_finish(struct safetensors_header *header)
{
	finish_scan(header);
	if (fault_is_fatal(&header->fault.kept))
		return;
	check_names(header);
	if (header->fault.kept.error.status != STATUS_INVALID_SAFETENSORS)
		check_coverage(header);
	if (!header->is_part && header->fault.kept.error.status != LOSS_OK &&
	    status_precedes(LOSS_MISSING_FIELD, header->fault.kept.error.status))
		note_missing(header);
}
