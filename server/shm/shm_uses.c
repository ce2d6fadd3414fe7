#include "shm_uses.h"

#include <inttypes.h>

#include "status/status.h"

static loss_status fail_vanished(const char *field, struct loss_error *err)
{
	return loss_fail(err, LOSS_SHAPE_MISMATCH, field,
			 "the shared memory of %s became shorter than its region while it was used",
			 field);
}

static loss_status pin(struct shm_uses *uses, const struct shm_use *use, struct loss_error *err)
{
	if (uses->foreign)
		return loss_fail(err, STATUS_FORBIDDEN, use->field,
				 "%s is in the shared memory region \"%.80s\", which pages of the "
				 "foreign origin \"%.80s\" may not name; the setting cors_origins "
				 "lists those that may",
				 use->field, use->name, uses->foreign);
	if (!uses->shm)
		return loss_fail(
			err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
			"%s is in the shared memory region \"%.80s\", but shared memory is "
			"switched off on this server",
			use->field, use->name);
	if (!uses->used)
		uses->used = loss_arena_array(uses->arena, struct shm_used, SHM_MAX_USES);
	if (!uses->used)
		return loss_arena_failure(uses->arena, err);
	struct shm_used *used = &uses->used[uses->n];
	loss_status status = shm_pin(uses->shm, use, &used->pin, err);
	used->use = *use;
	uses->n += status == LOSS_OK;
	return status;
}

static bool is_aligned(const void *data, loss_dtype dtype)
{
	return (uintptr_t)data % loss_dtype_info(dtype)->size == 0;
}

loss_status shm_uses_read(struct shm_uses *uses, const struct shm_use *use, bool in_place,
			  struct loss_tensor *tensor, struct loss_error *err)
{
	loss_status status = pin(uses, use, err);
	if (status != LOSS_OK)
		return status;
	const struct shm_pin *pinned = &uses->used[uses->n - 1].pin;
	tensor->data = pinned->data;
	if (in_place && is_aligned(pinned->data, tensor->dtype))
		return LOSS_OK;
	struct loss_buffer *copy = loss_buffer_create(uses->arena);
	if (!copy || !loss_buffer_append(copy, pinned->data, pinned->size))
		return loss_arena_failure(uses->arena, err);
	tensor->data = copy->data;
	return shm_pin_intact(pinned) ? LOSS_OK : fail_vanished(use->field, err);
}

#define RANGE_FORMAT                                                                               \
	"%s (shared_memory_region \"%.80s\", shared_memory_offset %" PRIu64                        \
	", shared_memory_byte_size %" PRIu64 ")"
#define RANGE_VALUES(use) (use)->field, (use)->name, (use)->offset, (use)->size

/* The last range against those of the other outputs, which it would overwrite. */
static loss_status check_apart(const struct shm_uses *uses, struct loss_error *err)
{
	size_t last = uses->n - 1;
	const struct shm_use *use = &uses->used[last].use;
	for (size_t i = 0; i < last; i++) {
		const struct shm_use *other = &uses->used[i].use;
		if (other->for_writing &&
		    shm_pins_overlap(&uses->used[i].pin, &uses->used[last].pin))
			return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
					 RANGE_FORMAT " and " RANGE_FORMAT
						      " have bytes in common; give each output "
						      "bytes of its own",
					 RANGE_VALUES(other), RANGE_VALUES(use));
	}
	return LOSS_OK;
}

loss_status shm_uses_write(struct shm_uses *uses, const struct shm_use *use, size_t n,
			   void **memory, struct loss_error *err)
{
	if (use->size < n)
		return loss_fail(err, LOSS_SHAPE_MISMATCH, use->field,
				 "%s needs %zu bytes, but its shared_memory_byte_size is %" PRIu64,
				 use->field, n, use->size);
	loss_status status = pin(uses, use, err);
	if (status != LOSS_OK)
		return status;
	*memory = uses->used[uses->n - 1].pin.data;
	return check_apart(uses, err);
}

loss_status shm_uses_verify(const struct shm_uses *uses, struct loss_error *err)
{
	for (size_t i = 0; i < uses->n; i++)
		if (!shm_pin_intact(&uses->used[i].pin))
			return fail_vanished(uses->used[i].use.field, err);
	return LOSS_OK;
}

void shm_uses_release(struct shm_uses *uses)
{
	while (uses->n > 0)
		shm_unpin(uses->shm, &uses->used[--uses->n].pin);
}
