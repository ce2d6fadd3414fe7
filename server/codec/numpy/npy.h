/*
 * The header of a NumPy array (.npy, versions 1 to 3): a magic number, a length, and a Python dict
 * of the dtype, the order of the axes and the shape.
 */
#ifndef LOSSD_CODEC_NUMPY_NPY_H
#define LOSSD_CODEC_NUMPY_NPY_H

#include "codec/decoder.h"

/* A longer header than this is refused. */
#define NPY_HEADER_MAX ((size_t)65535)
/* So many bytes of a file have all of the header. */
#define NPY_BEGINNING_MAX (NPY_HEADER_MAX + 12)

struct npy {
	struct loss_tensor tensor; /* without data */
	size_t header_bytes;       /* the elements come after them */
	uint64_t bytes;            /* of the elements */
	size_t swapped;            /* width of elements whose bytes are in reverse; 1: none are */
};

/* Reads the header out of the first n bytes of an array, of which NPY_BEGINNING_MAX are enough.
 * `field` is the tensor's name, `label` what sentences call the array. */
loss_status npy_read(struct npy *npy, const unsigned char *bytes, size_t n, const char *field,
		     const char *label, const struct decoder_limits *limits,
		     struct loss_error *err);

#endif
