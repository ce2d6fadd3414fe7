#include "content_coding.h"

#include <assert.h>
#include <inttypes.h>

#define ZLIB_CONST
#include <zlib.h>

#include "status/status.h"

/* zlib's own: the largest window, and the number that asks for a gzip header in place of zlib's. */
#define WINDOW_BITS 15
#define WITH_GZIP 16

#define PIECE_BYTES ((size_t)32768) /* decoded at once */
/*
 * After every so many coded bytes the decoded ones are held against them. Both are then counts of
 * the body alone, however it was cut, and what goes beyond the ratio in between is bounded: deflate
 * makes at most 1032 bytes of one.
 */
#define CHECK_BYTES ((uint64_t)4096)
#define MAX_RATIO 100
#define FREE_BYTES ((uint64_t)1 << 20) /* decoded bytes that may have any ratio */

struct inflater {
	z_stream stream;
	struct loss_arena *arena;
	const char *name;
	bool may_repeat; /* one coded body may follow another */
	bool ended;      /* the coded body may end here */
	uint64_t max_bytes, coded, decoded;
	struct loss_error error; /* status LOSS_OK until something is wrong */
	unsigned char piece[PIECE_BYTES];
};

static voidpf take(voidpf arena, uInt n, uInt size)
{
	return loss_arena_alloc(arena, n, size);
}

/* The arena's end frees everything. */
static void leave(voidpf arena, voidpf memory)
{
	(void)arena;
	(void)memory;
}

static z_stream stream_of(struct loss_arena *arena)
{
	return (z_stream){.zalloc = take, .zfree = leave, .opaque = arena};
}

/* ---------------------------------------------------------------- in */

struct inflater *inflater_create(enum content_coding coding, uint64_t max_bytes,
				 struct loss_arena *arena)
{
	struct inflater *inflater = loss_arena_array(arena, struct inflater, 1);
	if (!inflater)
		return NULL;
	bool gzip = coding == CODING_GZIP;
	inflater->stream = stream_of(arena);
	inflater->arena = arena;
	inflater->name = gzip ? "gzip" : "deflate";
	inflater->may_repeat = gzip;
	inflater->ended = false;
	inflater->max_bytes = max_bytes;
	inflater->coded = inflater->decoded = 0;
	inflater->error.status = LOSS_OK;
	int window = gzip ? WINDOW_BITS + WITH_GZIP : WINDOW_BITS;
	return inflateInit2(&inflater->stream, window) == Z_OK ? inflater : NULL;
}

static void blame_corrupt(struct inflater *inflater, const char *why)
{
	loss_fail(&inflater->error, STATUS_INVALID_ENCODING, "",
		  "the %s body is corrupt after %" PRIu64 " decoded bytes: %s", inflater->name,
		  inflater->decoded, why);
}

static void check_size(struct inflater *inflater)
{
	if (inflater->decoded > inflater->max_bytes)
		loss_fail(&inflater->error, STATUS_BODY_TOO_LARGE, "",
			  "the %s body has more than %" PRIu64
			  " bytes when decoded, which is the limit (max_body_bytes)",
			  inflater->name, inflater->max_bytes);
}

static void check_ratio(struct inflater *inflater)
{
	if (inflater->decoded > FREE_BYTES && inflater->decoded > MAX_RATIO * inflater->coded)
		loss_fail(&inflater->error, STATUS_BODY_TOO_LARGE, "",
			  "the %s body makes %" PRIu64 " bytes of its first %" PRIu64
			  "; after the first MiB at most %d of each are decoded",
			  inflater->name, inflater->decoded, inflater->coded, MAX_RATIO);
}

/* Decodes into the piece. False when nothing more can be had of the input. */
static bool decode_piece(struct inflater *inflater, inflate_sink *sink, void *context)
{
	z_stream *stream = &inflater->stream;
	stream->next_out = inflater->piece;
	stream->avail_out = PIECE_BYTES;
	int result = inflate(stream, Z_NO_FLUSH);
	size_t n = PIECE_BYTES - stream->avail_out;
	inflater->decoded += n;
	check_size(inflater);
	if (inflater->error.status != LOSS_OK)
		return false;
	if (n > 0)
		sink(context, inflater->piece, n);
	if (result == Z_NEED_DICT)
		blame_corrupt(inflater, "it needs a dictionary");
	else if (result == Z_DATA_ERROR)
		blame_corrupt(inflater, stream->msg ? stream->msg : "its data make no sense");
	else if (result == Z_MEM_ERROR)
		loss_arena_failure(inflater->arena, &inflater->error);
	inflater->ended = result == Z_STREAM_END;
	return result == Z_OK && stream->avail_out == 0;
}

/* Up to the end of one coded body, or of the input. */
static void decode(struct inflater *inflater, inflate_sink *sink, void *context)
{
	if (inflater->ended && !inflater->may_repeat) {
		blame_corrupt(inflater, "there are bytes after its end");
		return;
	}
	if (inflater->ended)
		inflateReset(&inflater->stream);
	while (decode_piece(inflater, sink, context)) {
	}
}

bool inflater_feed(struct inflater *inflater, const unsigned char *bytes, size_t n,
		   inflate_sink *sink, void *context)
{
	z_stream *stream = &inflater->stream;
	while (n > 0 && inflater->error.status == LOSS_OK) {
		uint64_t left = CHECK_BYTES - inflater->coded % CHECK_BYTES;
		size_t part = n < left ? n : (size_t)left;
		stream->next_in = bytes;
		stream->avail_in = (uInt)part;
		while (stream->avail_in > 0 && inflater->error.status == LOSS_OK)
			decode(inflater, sink, context);
		inflater->coded += part;
		bytes += part;
		n -= part;
		if (inflater->error.status == LOSS_OK && inflater->coded % CHECK_BYTES == 0)
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
			  inflater->name, inflater->coded, inflater->decoded);
	if (inflater->error.status != LOSS_OK && err)
		*err = inflater->error;
	return inflater->error.status;
}

/* ---------------------------------------------------------------- out */

struct deflater {
	z_stream stream;
	struct loss_buffer *coded;
};

struct deflater *deflater_create(struct loss_arena *arena)
{
	struct deflater *deflater = loss_arena_array(arena, struct deflater, 1);
	if (!deflater)
		return NULL;
	deflater->stream = stream_of(arena);
	deflater->coded = loss_buffer_create(arena);
	/* The fastest level: digits hardly become fewer by the others, which take several times as
	 * long. */
	bool good = deflater->coded && deflateInit2(&deflater->stream, Z_BEST_SPEED, Z_DEFLATED,
						    WINDOW_BITS + WITH_GZIP, MAX_MEM_LEVEL,
						    Z_DEFAULT_STRATEGY) == Z_OK;
	return good ? deflater : NULL;
}

static bool deflate_all(struct deflater *deflater, int flush)
{
	z_stream *stream = &deflater->stream;
	struct loss_buffer *coded = deflater->coded;
	do {
		if (!loss_buffer_reserve(coded, PIECE_BYTES))
			return false;
		stream->next_out = coded->data + coded->size;
		stream->avail_out = PIECE_BYTES;
		(void)deflate(stream, flush);
		coded->size += PIECE_BYTES - stream->avail_out;
	} while (stream->avail_out == 0);
	return true;
}

bool deflater_feed(struct deflater *deflater, const void *bytes, size_t n)
{
	assert(n <= UINT32_MAX); /* zlib counts in 32 bits */
	deflater->stream.next_in = bytes;
	deflater->stream.avail_in = (uInt)n;
	return deflate_all(deflater, Z_NO_FLUSH);
}

const struct loss_buffer *deflater_finish(struct deflater *deflater)
{
	deflater->stream.avail_in = 0;
	return deflate_all(deflater, Z_FINISH) ? deflater->coded : NULL;
}
