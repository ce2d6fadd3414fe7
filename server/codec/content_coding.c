#include "content_coding.h"

#include <inttypes.h>

#include "coding.h"
#include "status/status.h"

#define PIECE_BYTES ((size_t)32768) /* decoded at once */
/* After every `check_bytes` coded bytes the decoded ones are held against them. Both are then
 * counts of the body alone, however it was cut. */
#define MAX_RATIO 100
#define FREE_BYTES ((uint64_t)1 << 20) /* decoded bytes that may have any ratio */

struct inflater {
	const struct coding *coding;
	void *state; /* of the coding */
	struct loss_arena *arena;
	bool ended; /* the coded body may end here */
	uint64_t max_bytes, coded, decoded;
	struct loss_error error; /* status LOSS_OK until something is wrong */
	unsigned char piece[PIECE_BYTES];
};

const struct content_coding_name content_coding_names[N_CODING_NAMES] = {
	{"identity", CODING_IDENTITY}, {"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP},
	{"deflate", CODING_DEFLATE},   {"zstd", CODING_ZSTD},
};

static const struct coding *const codings[N_CODINGS] = {
	[CODING_GZIP] = &coding_gzip,
	[CODING_DEFLATE] = &coding_deflate,
	[CODING_ZSTD] = &coding_zstd,
};

const char *content_coding_name(enum content_coding coding)
{
	size_t i = 0;
	while (i < N_CODING_NAMES - 1 && content_coding_names[i].coding != coding)
		i++;
	return content_coding_names[i].name;
}

/* ---------------------------------------------------------------- in */

struct inflater *inflater_create(enum content_coding coding, uint64_t max_bytes,
				 struct loss_arena *arena)
{
	struct inflater *inflater = loss_arena_array(arena, struct inflater, 1);
	if (!inflater)
		return NULL;
	inflater->coding = codings[coding];
	inflater->state = inflater->coding->create(arena);
	inflater->arena = arena;
	inflater->ended = false;
	inflater->max_bytes = max_bytes;
	inflater->coded = inflater->decoded = 0;
	inflater->error.status = LOSS_OK;
	return inflater->state ? inflater : NULL;
}

static void blame_corrupt(struct inflater *inflater, const char *why)
{
	loss_fail(&inflater->error, STATUS_INVALID_ENCODING, "",
		  "the %s body is corrupt after %" PRIu64 " decoded bytes: %s%s",
		  inflater->coding->name, inflater->decoded, why,
		  inflater->decoded == 0 && inflater->max_bytes != INFLATER_NO_LIMIT
			  ? "; what is not compressed goes without a Content-Encoding"
			  : "");
}

static void check_size(struct inflater *inflater)
{
	if (inflater->decoded > inflater->max_bytes)
		loss_fail(&inflater->error, STATUS_BODY_TOO_LARGE, "",
			  "the %s body has more than %" PRIu64
			  " bytes when decoded, which is the limit (max_body_bytes)",
			  inflater->coding->name, inflater->max_bytes);
}

static void check_ratio(struct inflater *inflater)
{
	if (inflater->max_bytes != INFLATER_NO_LIMIT && inflater->decoded > FREE_BYTES &&
	    inflater->decoded > MAX_RATIO * inflater->coded)
		loss_fail(&inflater->error, STATUS_BODY_TOO_LARGE, "",
			  "the %s body makes %" PRIu64 " bytes of its first %" PRIu64
			  "; after the first MiB at most %d of each are decoded",
			  inflater->coding->name, inflater->decoded, inflater->coded, MAX_RATIO);
}

/* Decodes into the piece. False when nothing more can be had of the input. */
static bool decode_piece(struct inflater *inflater, struct coding_io *io, inflate_sink *sink,
			 void *context)
{
	io->out = inflater->piece;
	io->n_out = PIECE_BYTES;
	enum coding_end end = inflater->coding->decode(inflater->state, io);
	size_t n = PIECE_BYTES - io->n_out;
	inflater->decoded += n;
	check_size(inflater);
	if (inflater->error.status != LOSS_OK)
		return false;
	if (n > 0)
		sink(context, inflater->piece, n);
	if (end == CODING_CORRUPT)
		blame_corrupt(inflater, io->why);
	else if (end == CODING_NO_MEMORY)
		loss_arena_failure(inflater->arena, &inflater->error);
	inflater->ended = end == CODING_ENDS;
	return end == CODING_GOES_ON && io->n_out == 0;
}

/* Up to the end of one coded body, or of the input. */
static void decode(struct inflater *inflater, struct coding_io *io, inflate_sink *sink,
		   void *context)
{
	if (inflater->ended && !inflater->coding->may_repeat) {
		blame_corrupt(inflater, "there are bytes after its end");
		return;
	}
	if (inflater->ended)
		inflater->coding->restart(inflater->state);
	while (decode_piece(inflater, io, sink, context)) {
	}
}

bool inflater_feed(struct inflater *inflater, const unsigned char *bytes, size_t n,
		   inflate_sink *sink, void *context)
{
	uint64_t check_bytes = inflater->coding->check_bytes;
	while (n > 0 && inflater->error.status == LOSS_OK) {
		uint64_t left = check_bytes - inflater->coded % check_bytes;
		size_t part = n < left ? n : (size_t)left;
		struct coding_io io = {.in = bytes, .n_in = part};
		while (io.n_in > 0 && inflater->error.status == LOSS_OK)
			decode(inflater, &io, sink, context);
		inflater->coded += part;
		bytes += part;
		n -= part;
		if (inflater->error.status == LOSS_OK && inflater->coded % check_bytes == 0)
			check_ratio(inflater);
	}
	return inflater->error.status == LOSS_OK;
}

loss_status inflater_finish(struct inflater *inflater, struct loss_error *err)
{
	if (inflater->error.status == LOSS_OK)
		check_ratio(inflater);
	if (inflater->error.status == LOSS_OK && !inflater->ended && inflater->coded > 0)
		loss_fail(&inflater->error, STATUS_INVALID_ENCODING, "",
			  "the %s body ends too early, after %" PRIu64
			  " bytes that decode to %" PRIu64,
			  inflater->coding->name, inflater->coded, inflater->decoded);
	if (inflater->error.status != LOSS_OK && err)
		*err = inflater->error;
	return inflater->error.status;
}

/* ---------------------------------------------------------------- out */

struct deflater {
	const struct coding *coding;
	void *state; /* of the coding */
	struct loss_buffer *coded;
};

struct deflater *deflater_create(enum content_coding coding, struct loss_arena *arena)
{
	struct deflater *deflater = loss_arena_array(arena, struct deflater, 1);
	if (!deflater)
		return NULL;
	deflater->coding = codings[coding];
	deflater->state = deflater->coding->create_out(arena);
	deflater->coded = loss_buffer_create(arena);
	return deflater->state && deflater->coded ? deflater : NULL;
}

bool deflater_feed(struct deflater *deflater, const void *bytes, size_t n)
{
	return deflater->coding->encode(deflater->state, bytes, n, false, deflater->coded);
}

struct loss_buffer *deflater_coded(struct deflater *deflater)
{
	return deflater->coded;
}

const struct loss_buffer *deflater_finish(struct deflater *deflater)
{
	bool good = deflater->coding->encode(deflater->state, NULL, 0, true, deflater->coded);
	return good ? deflater->coded : NULL;
}
