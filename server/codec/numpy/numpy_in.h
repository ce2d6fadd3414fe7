/*
 * NumPy's files to a problem: an archive of arrays (.npz), whose members are named as tensors, or
 * an array (.npy) for each tensor. See decoder.h for the interface.
 */
#ifndef LOSSD_CODEC_NUMPY_IN_H
#define LOSSD_CODEC_NUMPY_IN_H

#include "codec/decoder.h"

/* What is fed is an archive: a copy is kept until the end, where its directory is. */
struct decoder *numpy_in_create(const struct decoder_setup *setup);

/* In place of feeding: the archive, where it lies. */
void numpy_in_set_archive(struct decoder *decoder, const unsigned char *bytes, size_t n);
/* In place of an archive: tensor i of the loss is this array, where it lies until the problem ends;
 * `label` is what
 * sentences call it. Each i at most once. */
void numpy_in_set_array(struct decoder *decoder, size_t i, const char *label,
			const unsigned char *bytes, size_t n);
/* To be called now and then, while what is set is read: what has been read of it need not stay in
 * memory. */
void numpy_in_set_release(struct decoder *decoder, void (*release)(void));

#endif
