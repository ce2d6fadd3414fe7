#include "encoded.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

/* The times of writing itself stand between these two in every format, and nothing else does. */
#define TIMES_BEGIN "encode_"
#define TIMES_END "bytes_in"

/* ---------------------------------------------------------------- one run */

static void append(struct encoded_reply *reply, const void *bytes, size_t n)
{
	unsigned char *all = realloc(reply->bytes, reply->size + n + 1);
	require(all != NULL, "no memory for %zu bytes", reply->size + n);
	if (n > 0)
		memcpy(all + reply->size, bytes, n);
	all[reply->size + n] = '\0'; /* for who reads it as text */
	reply->bytes = all;
	reply->size += n;
}

static void take_text(struct encoded_reply *reply)
{
	struct loss_buffer *text = reply->out.text;
	append(reply, text->data, text->size);
	if (text->size > 0)
		memset(text->data, 0xee, text->size);
	text->size = 0;
}

static void join(struct encoded_reply *reply)
{
	append(reply, reply->out.text->data, reply->out.text->size);
	reply->n_text = reply->size;
	for (size_t i = 0; i < reply->out.n_tensors; i++)
		append(reply, reply->out.tensors[i].data, reply->out.tensors[i].size);
}

static enum encoder_end write_piece(struct encoder *encoder, struct timings *timings,
				    struct encoded_reply *reply)
{
	size_t before = reply->out.text->size;
	timings_begin(timings);
	enum encoder_end end = encoder->write(encoder, &reply->out, &reply->err);
	timings_end(timings, PHASE_ENCODE, &timings->encode_ns);
	size_t n = reply->out.text->size - before;
	reply->longest = n > reply->longest ? n : reply->longest;
	reply->pieces++;
	return end;
}

loss_status encoded_run(encoder_create *create, const struct encoder_input *input, bool take,
			struct encoded_reply *reply)
{
	struct timings timings = *input->timings;
	struct encoder_input own = *input;
	enum encoder_end end;
	own.timings = &timings;
	*reply = (struct encoded_reply){.out = {.text = loss_buffer_create(input->arena)}};
	struct encoder *encoder = reply->out.text ? create(&own) : NULL;
	if (!encoder)
		return loss_arena_failure(input->arena, &reply->err);
	reply->binary = encoder->binary;
	reply->text_bytes = encoder->text_bytes;
	do {
		end = write_piece(encoder, &timings, reply);
		if (take)
			take_text(reply);
	} while (end == ENCODER_MORE);
	if (end == ENCODER_DONE)
		join(reply);
	else
		encoded_free(reply);
	return end == ENCODER_DONE ? LOSS_OK : reply->err.status;
}

/* ---------------------------------------------------------------- both ways */

static size_t find(const struct encoded_reply *reply, const char *words)
{
	const char *at = memmem(reply->bytes, reply->n_text, words, strlen(words));
	require(at != NULL, "the text has no \"%s\"", words);
	return (size_t)(at - (const char *)reply->bytes);
}

static void compare(const struct encoded_reply *kept, const struct encoded_reply *taken)
{
	size_t begin = find(kept, TIMES_BEGIN), end = kept->size - find(kept, TIMES_END);
	require(taken->pieces == kept->pieces, "%zu pieces, not %zu", taken->pieces, kept->pieces);
	require(find(taken, TIMES_BEGIN) == begin && taken->size - find(taken, TIMES_END) == end,
		"another length when the text is taken out");
	require(memcmp(taken->bytes, kept->bytes, begin) == 0 &&
			memcmp(taken->bytes + taken->size - end, kept->bytes + kept->size - end,
			       end) == 0,
		"other bytes when the text is taken out");
}

struct encoded_reply encoded_reply(encoder_create *create, const struct encoder_input *input)
{
	struct encoded_reply kept, taken;
	loss_status status = encoded_run(create, input, false, &kept);
	require(status == LOSS_OK, "%s", kept.err.detail);
	/* Of one piece there is nothing to be taken out in between. */
	if (kept.pieces == 1)
		return kept;
	status = encoded_run(create, input, true, &taken);
	require(status == LOSS_OK, "%s", taken.err.detail);
	compare(&kept, &taken);
	encoded_free(&kept);
	return taken;
}

void encoded_free(struct encoded_reply *reply)
{
	free(reply->bytes);
	reply->bytes = NULL;
	reply->size = 0;
}
