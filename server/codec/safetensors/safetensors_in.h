/* safetensors bodies (api/README.md) to a problem. See decoder.h for the interface. */
#ifndef LOSSD_CODEC_SAFETENSORS_IN_H
#define LOSSD_CODEC_SAFETENSORS_IN_H

#include "codec/decoder.h"

struct safetensors_header;

struct decoder *safetensors_in_create(const struct decoder_setup *setup);

/* In place of feeding: the whole body, where it lies until the problem ends. Its numbers are read
 * there, if they are aligned as their type is; integers and booleans are copied. */
void safetensors_in_set(struct decoder *decoder, const unsigned char *bytes, size_t n);

/* Before anything else: it has some of the problem's tensors, and what it calls `name` is tensor i
 * of the loss. */
void safetensors_in_be_part(struct decoder *decoder, const char *name, size_t i);
/* What it has: of use once all of it has come. */
const struct safetensors_header *safetensors_in_header(const struct decoder *decoder);

#endif
