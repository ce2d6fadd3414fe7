#include "safetensors_files.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "safetensors_header.h"
#include "safetensors_in.h"
#include "status/fault.h"

/* A file, and what reads it. */
struct part {
	struct safetensors_file file;
	struct decoder *decoder;
};

struct safetensors_files {
	struct decoder decoder; /* first: it is what the caller holds */
	struct decoder_setup setup;
	const struct loss_info *loss;
	struct fault fault;
	struct part parts[SAFETENSORS_FILES_MAX];
	size_t n;
	struct sink sink; /* of what reads a file, before that of the setup */
	size_t reading;   /* the file that is read */
	/* What has been set, by the loss's tensors, and the file that it is from. */
	struct loss_tensor tensors[LOSS_N_ROLES];
	const struct part *from[LOSS_N_ROLES];
};

static struct safetensors_files *files_of(struct decoder *decoder)
{
	return (struct safetensors_files *)(void *)decoder;
}

/* ---------------------------------------------------------------- errors */

/* Sentences say which file they are about. */
static void note(struct safetensors_files *files, const struct part *part,
		 const struct loss_error *err)
{
	struct loss_error own = *err;
	own.more = NULL;
	snprintf(own.detail, sizeof own.detail, "%.200s: %.*s", part->file.label,
		 (int)(sizeof own.detail - 204), err->detail);
	fault_note(&files->fault, own.status, &own);
}

/* "it has a, b, c": as many as there is room for. */
static void list_names(const struct safetensors_header *header, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "it has none");
	const char *before = "it has ";
	for (size_t k = 0; k < safetensors_header_count(header) && used < size; k++) {
		const char *name = safetensors_header_name(header, k);
		if (strcmp(name, "__metadata__") == 0)
			continue;
		used = *before == 'i' ? 0 : used;
		used += (size_t)snprintf(out + used, size - used, "%s%.60s", before, name);
		before = ", ";
	}
}

/* ---------------------------------------------------------------- what both have */

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

static bool is_alike(const struct loss_tensor *a, const struct loss_tensor *b)
{
	return a->dtype == b->dtype && a->rank == b->rank &&
	       memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* The first element that is another in b, of tensors alike; somebody may write to what is mapped,
 * so that there is none any more. */
static size_t first_difference(const struct loss_tensor *a, const struct loss_tensor *b)
{
	size_t size = loss_dtype_info(a->dtype)->size, i = 0;
	while (i + 1 < a->count && memcmp((const char *)a->data + i * size,
					  (const char *)b->data + i * size, size) == 0)
		i++;
	return i;
}

/* Files that were made for the same rows may each say what these are. */
static loss_status compare(const struct safetensors_files *files, size_t i,
			   const struct loss_tensor *tensor, struct loss_error *err)
{
	const struct loss_tensor *before = &files->tensors[i];
	const char *name = files->loss->tensors[i].name, *other = files->from[i]->file.label;
	if (files->from[i] == &files->parts[files->reading])
		return loss_fail(err, LOSS_DUPLICATE_FIELD, name,
				 "it has %s under two names: \"%.60s\" and its own; leave one out",
				 name, files->from[i]->file.name);
	if (!is_alike(before, tensor))
		return loss_fail(err, LOSS_DUPLICATE_FIELD, name,
				 "%s is in %.200s, too, in another shape or type; give it once",
				 name, other);
	if (memcmp(before->data, tensor->data, bytes_of(tensor)) == 0)
		return LOSS_OK;
	return loss_fail(err, LOSS_DUPLICATE_FIELD, name,
			 "%s is in %.200s, too, but element %zu is another; give it once, and both "
			 "files for the same rows",
			 name, other, first_difference(before, tensor));
}

static loss_status set(struct sink *sink, size_t i, const struct loss_tensor *tensor,
		       struct loss_error *err)
{
	struct safetensors_files *files =
		(void *)((char *)sink - offsetof(struct safetensors_files, sink));
	if (files->from[i])
		return compare(files, i, tensor, err);
	files->tensors[i] = *tensor;
	files->from[i] = &files->parts[files->reading];
	return files->setup.sink->set(files->setup.sink, i, tensor, err);
}

/* ---------------------------------------------------------------- what is missing */

static bool has(const struct part *part, const char *tensor)
{
	const struct safetensors_header *header = safetensors_in_header(part->decoder);
	int i = loss_find_tensor(header->loss, tensor, strlen(tensor));
	return i >= 0 && header->present[i];
}

static bool has_its_own(const struct part *part)
{
	const struct safetensors_header *header = safetensors_in_header(part->decoder);
	bool found = header->present[part->file.i];
	for (const char *const *name = part->file.instead; name && *name; name++)
		found |= has(part, *name);
	return found;
}

static void note_missing(struct safetensors_files *files, const struct part *part)
{
	const char *tensor = files->loss->tensors[part->file.i].name;
	struct loss_error err;
	char names[200];
	if (has_its_own(part))
		return;
	list_names(safetensors_in_header(part->decoder), names, sizeof names);
	loss_fail(&err, LOSS_MISSING_FIELD, tensor,
		  "it has no tensor \"%.60s\", which is to be %s; %s (--tensor says what it is "
		  "called)",
		  part->file.name, tensor, names);
	note(files, part, &err);
}

/* ---------------------------------------------------------------- the decoder */

static void read_part(struct safetensors_files *files, struct part *part)
{
	struct loss_error err;
	struct decoder_setup setup = files->setup;
	setup.sink = &files->sink;
	part->decoder = safetensors_in_create(&setup);
	if (!part->decoder) {
		fault_note_memory(&files->fault, files->setup.arena);
		return;
	}
	safetensors_in_be_part(part->decoder, part->file.name, part->file.i);
	safetensors_in_set(part->decoder, part->file.bytes, part->file.n);
	loss_status status = part->decoder->finish(part->decoder, &err);
	/* What is called otherwise is unknown, too. */
	if (status == LOSS_OK || (status == LOSS_UNKNOWN_FIELD && !has_its_own(part)))
		note_missing(files, part);
	else
		for (const struct loss_error *each = &err; each; each = each->more)
			note(files, part, each);
}

static loss_status finish(struct decoder *decoder, struct loss_error *err)
{
	struct safetensors_files *files = files_of(decoder);
	for (size_t k = 0; k < files->n && files->fault.error.status == LOSS_OK; k++) {
		files->reading = k;
		read_part(files, &files->parts[k]);
	}
	return fault_report(&files->fault, err);
}

static void feed(struct decoder *decoder, const unsigned char *bytes, size_t n)
{
	(void)decoder, (void)bytes, (void)n;
}

static void pointer(const struct decoder *decoder, const struct loss_error *err, char *out,
		    size_t size)
{
	(void)decoder;
	snprintf(out, size, "%s", err->field);
}

void safetensors_files_add(struct decoder *decoder, const struct safetensors_file *file)
{
	struct safetensors_files *files = files_of(decoder);
	files->parts[files->n++].file = *file;
}

const char *safetensors_files_label(const struct decoder *decoder, const char *tensor)
{
	const struct safetensors_files *files = (const void *)decoder;
	int i = loss_find_tensor(files->loss, tensor, strlen(tensor));
	return i >= 0 && files->from[i] ? files->from[i]->file.label : NULL;
}

struct decoder *safetensors_files_create(const struct decoder_setup *setup)
{
	struct safetensors_files *files =
		loss_arena_array(setup->arena, struct safetensors_files, 1);
	if (!files)
		return NULL;
	memset(files, 0, sizeof *files);
	files->decoder = (struct decoder){.feed = feed, .finish = finish, .pointer = pointer};
	files->setup = *setup;
	files->loss = loss_problem_info(setup->problem);
	files->fault.arena = setup->arena;
	files->sink.set = set;
	return &files->decoder;
}
