/*
 * Several files of safetensors to one problem, each where it lies: two models' logits for the same
 * rows, which both files call by the same name. See decoder.h for the interface; nothing is fed.
 */
#ifndef LOSSD_CODEC_SAFETENSORS_FILES_H
#define LOSSD_CODEC_SAFETENSORS_FILES_H

#include "codec/decoder.h"

#define SAFETENSORS_FILES_MAX 2

struct safetensors_file {
	const char *label;          /* that sentences call it by */
	const unsigned char *bytes; /* all n of it, until the problem ends */
	size_t n;
	const char *name; /* of the tensor in it that is ... */
	size_t i;         /* ... this one of the loss's; all others have the loss's own names */
	/* Tensors of the loss of which any stands in for that one, NULL-terminated. */
	const char *const *instead;
};

struct decoder *safetensors_files_create(const struct decoder_setup *setup);
/* SAFETENSORS_FILES_MAX at most. */
void safetensors_files_add(struct decoder *decoder, const struct safetensors_file *file);
/* The label of the file that a tensor of the loss is from; NULL where it is from none, or the loss
 * has no such tensor. Once finished. */
const char *safetensors_files_label(const struct decoder *decoder, const char *tensor);

#endif
