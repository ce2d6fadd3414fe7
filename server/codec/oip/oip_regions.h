/* The ranges of shared memory that one Open Inference Protocol request reads and writes. */
#ifndef LOSSD_CODEC_OIP_REGIONS_H
#define LOSSD_CODEC_OIP_REGIONS_H

#include "oip_parameters.h"
#include "shm/shm.h"

#define OIP_MAX_REGIONS (LOSS_N_ROLES + LOSS_MAX_OUTPUTS)

struct oip_regions {
	struct shm *shm;     /* NULL: switched off */
	const char *foreign; /* as struct decoder_setup has it */
	struct loss_arena *arena;
	size_t n;
	struct shm_pin pins[OIP_MAX_REGIONS];
	struct shm_use uses[OIP_MAX_REGIONS]; /* what they were pinned for */
};

/*
 * Sets tensor->data, of which everything else is set and whose size is that of the range. The
 * input is read where it lies, if it is aligned for its dtype; all others are copied: their values
 * are checked before they are used, and may not change in between.
 */
loss_status oip_regions_read(struct oip_regions *regions, const struct oip_parameters *parameters,
			     const struct loss_tensor_info *info, struct loss_tensor *tensor,
			     struct loss_error *err);
/* Where an output is written to; the range may be larger than the output, but has no byte in common
 * with that of another output. */
loss_status oip_regions_write(struct oip_regions *regions, const struct oip_parameters *parameters,
			      const struct loss_output *output, const struct shm_pin **pin,
			      struct loss_error *err);
/* Whether all of the memory was there all the time. */
loss_status oip_regions_verify(const struct oip_regions *regions, struct loss_error *err);
void oip_regions_release(struct oip_regions *regions);

#endif
