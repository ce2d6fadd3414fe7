/*
 * The other direction: every format of a reply. An encoder writes its text in pieces, so that a
 * long one holds nobody up; tensors that go out as the bytes they are, are sent from where they
 * lie.
 */
#ifndef LOSSD_CODEC_ENCODER_H
#define LOSSD_CODEC_ENCODER_H

#include "style.h"
#include "timings.h"
#include "wish.h"

/* What a reply is written from. */
struct encoder_input {
	const struct loss_info *loss;
	const struct loss_result *result;
	const struct timings *timings; /* NULL: the reply tells none; of JSON only */
	const struct reply_wish *wish;
	struct loss_arena *arena;
	struct style style;
	const char *isa; /* as loss_problem_set_isa takes it; NULL: the best */
};

/* Bytes of a body, one part after the other. */
struct body_part {
	const void *data;
	size_t size;
};
#define BODY_MAX_PARTS (LOSS_MAX_OUTPUTS + 1)

struct body {
	size_t n_parts;
	struct body_part parts[BODY_MAX_PARTS];
};

/* What was written. */
struct encoded {
	/* Made by the caller, who may take out what is in it between two pieces. */
	struct loss_buffer *text;
	/* Once it is complete: what stands after the text. */
	size_t n_tensors;
	struct body_part tensors[LOSS_MAX_OUTPUTS];
	const char *content_type;   /* set by the caller to that of the format */
	const char *header, *value; /* one more header of the reply, in the arena; NULL: none */
};

enum encoder_end { ENCODER_MORE, ENCODER_DONE, ENCODER_FAILED };

struct encoder {
	/* Writes the next piece: some tens of KiB of text, less than a millisecond's work or so.
	 * ENCODER_FAILED: *err says why, and nothing more is to be done. */
	enum encoder_end (*write)(struct encoder *encoder, struct encoded *out,
				  struct loss_error *err);
	/* Some tensors go out as bytes, or as base64, which hardly get shorter by compression. */
	bool binary;
	size_t text_bytes; /* of tensors, more or less */
};

/* What an element takes as text with its comma, more or less. */
#define ENCODER_USUAL_CHARS 12
/* A piece ends after so many bytes of text, or within so many elements of a tensor after that. */
#define ENCODER_PIECE_BYTES ((size_t)65536)
#define ENCODER_PIECE_ELEMENTS ((size_t)4096)

/* One row a reply format. */
struct reply_format {
	const char *content_type; /* what Accept is held against */
	const char *format;       /* metric label: "json" */
	/* In the arena; NULL when there is no memory. */
	struct encoder *(*create)(const struct encoder_input *input);
	/* The protocol says how tensors are written: nobody may choose (STYLE_TENSORS). */
	bool settled;
};
#define REPLY_FORMATS_MAX 4

#endif
