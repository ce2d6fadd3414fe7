/* The tensors of one type and shape that all cases of the sweep share, and PyTorch with them. */
#ifndef BENCH_SWEEP_TENSORS_H
#define BENCH_SWEEP_TENSORS_H

#include "sweep_cases.h"

/* In the order in which they stand in the file, without anything between. */
enum sweep_tensor {
	SWEEP_LOGITS,        /* -8 to 8 */
	SWEEP_INPUT,         /* probabilities, as an input */
	SWEEP_PROBABILITIES, /* targets, and upstream gradients */
	SWEEP_WEIGHT,        /* of the classes */
	SWEEP_TARGETS,       /* I64 */
	N_SWEEP_TENSORS
};

struct sweep_tensors {
	struct loss_tensor all[N_SWEEP_TENSORS];
};

/* False when there is not enough memory. */
bool sweep_tensors_create(struct sweep_tensors *tensors, const char *dtype,
			  const struct sweep_shape *shape);
void sweep_tensors_destroy(struct sweep_tensors *tensors);
bool sweep_tensors_write(const struct sweep_tensors *tensors, const char *path);

/* Those that a case takes, by role. */
void sweep_tensors_of(const struct sweep_tensors *tensors, const struct sweep_case *what,
		      struct loss_tensor *by_role);

/* Where they are written for PyTorch to read. */
void sweep_tensors_path(const char *folder, char *out, size_t size);

#endif
