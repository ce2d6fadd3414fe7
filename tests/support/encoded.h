/*
 * Encoders run to their end, as an evaluation runs them. They must not mind that their text is
 * taken out between two pieces.
 */
#ifndef TESTS_SUPPORT_ENCODED_H
#define TESTS_SUPPORT_ENCODED_H

#include "codec/encoder.h"

typedef struct encoder *encoder_create(const struct encoder_input *input);

struct encoded_reply {
	struct encoded out; /* in the input's arena; of the text what was not taken out */
	bool binary;        /* as the encoder says, like the next */
	size_t text_bytes;
	size_t pieces;
	size_t longest;       /* bytes of text in one of them */
	size_t n_text;        /* of all of them; so many of: */
	unsigned char *bytes; /* the text and the tensors, joined; encoded_free frees them */
	size_t size;
	struct loss_error err;
};

/* One run. take: the text is taken out after every piece, and what lay there is overwritten, as it
 * is where a reply is compressed. An error is in reply->err; there are no bytes then. */
loss_status encoded_run(encoder_create *create, const struct encoder_input *input, bool take,
			struct encoded_reply *reply);
/* Both ways, which must come to the same bytes, but for the times in them; fails the test where
 * they do not, or where the reply can not be written. */
struct encoded_reply encoded_reply(encoder_create *create, const struct encoder_input *input);
void encoded_free(struct encoded_reply *reply);

#endif
