#include "oip_regions.h"

#include <inttypes.h>

#include "codec/status.h"

static loss_status fail_vanished(const char *field, struct loss_error *err)
{
	return loss_fail(err, LOSS_SHAPE_MISMATCH, field,
			 "the shared memory of %s became shorter than its region while it was used",
			 field);
}

static loss_status pin(struct oip_regions *regions, const struct oip_parameters *parameters,
		       const struct shm_use *wanted, struct loss_error *err)
{
	struct shm_use use = *wanted;
	use.name = parameters->region;
	use.offset =
		oip_parameters_has(parameters, OIP_OFFSET) ? parameters->numbers[OIP_OFFSET] : 0;
	use.size = parameters->numbers[OIP_BYTE_SIZE];
	if (regions->foreign)
		return loss_fail(err, STATUS_FORBIDDEN, use.field,
				 "%s is in the shared memory region \"%.80s\", which pages of the "
				 "foreign origin \"%.80s\" may not name; the setting cors_origins "
				 "lists those that may",
				 use.field, use.name, regions->foreign);
	if (!regions->shm)
		return loss_fail(
			err, LOSS_ARGUMENT_OUT_OF_RANGE, use.field,
			"%s is in the shared memory region \"%.80s\", but shared memory is "
			"switched off on this server",
			use.field, use.name);
	loss_status status = shm_pin(regions->shm, &use, &regions->pins[regions->n], err);
	if (status == LOSS_OK)
		regions->uses[regions->n++] = use;
	return status;
}

static bool is_aligned(const void *data, loss_dtype dtype)
{
	return (uintptr_t)data % loss_dtype_info(dtype)->size == 0;
}

loss_status oip_regions_read(struct oip_regions *regions, const struct oip_parameters *parameters,
			     const struct loss_tensor_info *info, struct loss_tensor *tensor,
			     struct loss_error *err)
{
	const struct shm_use use = {.for_writing = false, .field = info->name};
	loss_status status = pin(regions, parameters, &use, err);
	if (status != LOSS_OK)
		return status;
	const struct shm_pin *pinned = &regions->pins[regions->n - 1];
	tensor->data = pinned->data;
	if (info->role == LOSS_ROLE_INPUT && is_aligned(pinned->data, tensor->dtype))
		return LOSS_OK;
	struct loss_buffer *copy = loss_buffer_create(regions->arena);
	if (!copy || !loss_buffer_append(copy, pinned->data, pinned->size))
		return loss_arena_failure(regions->arena, err);
	tensor->data = copy->data;
	return shm_pin_intact(pinned) ? LOSS_OK : fail_vanished(info->name, err);
}

#define RANGE_FORMAT                                                                               \
	"%s (shared_memory_region \"%.80s\", shared_memory_offset %" PRIu64                        \
	", shared_memory_byte_size %" PRIu64 ")"
#define RANGE_VALUES(use) (use)->field, (use)->name, (use)->offset, (use)->size

/* The last range against those of the other outputs, which it would overwrite. */
static loss_status check_apart(const struct oip_regions *regions, struct loss_error *err)
{
	size_t last = regions->n - 1;
	const struct shm_use *use = &regions->uses[last];
	for (size_t i = 0; i < last; i++) {
		const struct shm_use *other = &regions->uses[i];
		if (other->for_writing && shm_pins_overlap(&regions->pins[i], &regions->pins[last]))
			return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
					 RANGE_FORMAT " and " RANGE_FORMAT
						      " have bytes in common; give each output "
						      "bytes of its own",
					 RANGE_VALUES(other), RANGE_VALUES(use));
	}
	return LOSS_OK;
}

loss_status oip_regions_write(struct oip_regions *regions, const struct oip_parameters *parameters,
			      const struct loss_output *output, const struct shm_pin **pinned,
			      struct loss_error *err)
{
	const struct loss_tensor *tensor = &output->tensor;
	const struct shm_use use = {.for_writing = true, .field = output->name};
	size_t size = tensor->count * loss_dtype_info(tensor->dtype)->size;
	uint64_t room = parameters->numbers[OIP_BYTE_SIZE];
	if (room < size)
		return loss_fail(err, LOSS_SHAPE_MISMATCH, output->name,
				 "%s needs %zu bytes, but its shared_memory_byte_size is %" PRIu64,
				 output->name, size, room);
	loss_status status = pin(regions, parameters, &use, err);
	if (status != LOSS_OK)
		return status;
	*pinned = &regions->pins[regions->n - 1];
	return check_apart(regions, err);
}

loss_status oip_regions_verify(const struct oip_regions *regions, struct loss_error *err)
{
	for (size_t i = 0; i < regions->n; i++)
		if (!shm_pin_intact(&regions->pins[i]))
			return fail_vanished(regions->uses[i].field, err);
	return LOSS_OK;
}

void oip_regions_release(struct oip_regions *regions)
{
	while (regions->n > 0)
		shm_unpin(regions->shm, &regions->pins[--regions->n]);
}
