/* What the vector kernels of element-wise losses take and give: element_template.h. */
#ifndef LOSS_KERNEL_ELEMENTS_H
#define LOSS_KERNEL_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lane_count.h"
#include "loss.h"

/* The element-wise losses, an entry each in vector_kernels.elements. */
enum element_kernel {
	ELEMENT_BCE_WITH_LOGITS,
	ELEMENT_BCE,
	ELEMENT_KL_DIV,
	ELEMENT_KL_DIV_OF_LOGS, /* log_target */
	ELEMENT_FOCAL,
	ELEMENT_FOCAL_INTEGER, /* gamma is a small integer */
	ELEMENT_MSE,
	ELEMENT_L1,
	ELEMENT_SMOOTH_L1, /* parameter: beta, above 0 */
	ELEMENT_HUBER,     /* delta */
	ELEMENT_POISSON,   /* eps */
	ELEMENT_POISSON_OF_LOGS,
	ELEMENT_GAUSSIAN, /* eps */
	ELEMENT_QUANTILE, /* quantile */
	N_ELEMENT_KERNELS
};

/*
 * Elements of an element-wise loss, a multiple of sixteen. Lane l holds the elements whose index is
 * l modulo sixteen. Results of floats are good for a float, those of doubles for a double.
 */
struct elements {
	size_t n;
	bool wide; /* x, loss and grad are doubles, else floats */
	const void *x;
	const float *t;                    /* targets as floats; never of doubles */
	const double *wide_t;              /* else as doubles */
	const double *weight, *pos_weight; /* NULL: all 1 */
	const double *upstream;            /* what multiplies gradients; NULL: 1 */
	double scale, scale_low;           /* what multiplies all of them */
	double alpha, gamma;
	const double *own; /* of a tensor that only this loss has; NULL: it has none */
	double parameter;  /* an argument of the loss: enum element_kernel says which */
	bool full;         /* of likelihoods: with the terms that the predictions are not in */
	void *loss, *grad; /* where they go, an entry an element; NULL: nowhere */
	double *added;     /* where the losses go once more, before they are rounded */
	void *narrow;      /* where floats' gradients go once more; NULL: nowhere */
	size_t n_narrow;   /* the first n_narrow of them, */
	loss_dtype narrow_dtype; /* as numbers of this type, narrower than F32 */

	/* Filled by the kernel: the lanes' sums of losses, good for saying that all are numbers;
	 * and how far their elements went. */
	_Alignas(64) double sum[LANES];
	double extent[LANES];
};

/* Lanes that went further hold an element for which the kernels are not made. */
#define ELEMENT_EXTENT 700.0

/* Otherwise what the lane holds is as it should be. */
static inline bool elements_regular(const struct elements *elements, size_t lane)
{
	double sum = elements->sum[lane];
	return elements->extent[lane] <= ELEMENT_EXTENT && sum - sum == 0.0;
}

#endif
