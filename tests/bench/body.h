/* Bodies to upload: targets, then logits of F32 between -8 and 8. */
#ifndef BENCH_BODY_H
#define BENCH_BODY_H

#include "upload.h"

struct body {
	char *head;  /* of safetensors: length, header, targets; of JSON all of it, in base64 too */
	float *rows; /* of safetensors */
	struct upload upload;
};

/* False where there is not enough memory; to be dropped all the same. */

/* Safetensors with I64 targets, of whose logits the first rows come again and again. */
bool body_make(struct body *body, size_t rows, size_t classes);
/* JSON as Python writes it: 17 digits. */
bool body_make_json(struct body *body, size_t rows, size_t classes);
/* The tensors of a body of safetensors, all of whose rows are kept, as base64 in JSON. */
bool body_make_base64(struct body *body, const struct body *of, size_t rows, size_t classes);
void body_drop(struct body *body);

#endif
