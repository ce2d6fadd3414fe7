/* gzip and deflate, in and out: the arithmetic is zlib's. */
#include <assert.h>

#define ZLIB_CONST
#include <zlib.h>

#include "coding.h"
#include "content_coding.h"

/* zlib's own: the largest window, and the number that asks for a gzip header in place of zlib's. */
#define WINDOW_BITS 15
#define WITH_GZIP 16

#define PIECE_BYTES ((size_t)32768) /* coded at once */
#define CHECK_BYTES 4096            /* deflate makes at most 1032 bytes of one */

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

static void *create(struct loss_arena *arena, int window_bits)
{
	z_stream *stream = loss_arena_array(arena, z_stream, 1);
	if (!stream)
		return NULL;
	*stream = stream_of(arena);
	return inflateInit2(stream, window_bits) == Z_OK ? stream : NULL;
}

static void *create_gzip(struct loss_arena *arena)
{
	return create(arena, WINDOW_BITS + WITH_GZIP);
}

static void *create_deflate(struct loss_arena *arena)
{
	return create(arena, WINDOW_BITS);
}

static void *create_raw(struct loss_arena *arena)
{
	return create(arena, -WINDOW_BITS);
}

static void restart(void *state)
{
	inflateReset(state);
}

static enum coding_end decode(void *state, struct coding_io *io)
{
	z_stream *stream = state;
	/* zlib counts in 32 bits. */
	uInt n_in = io->n_in < UINT32_MAX ? (uInt)io->n_in : UINT32_MAX;
	uInt n_out = io->n_out < UINT32_MAX ? (uInt)io->n_out : UINT32_MAX;
	stream->next_in = io->in;
	stream->avail_in = n_in;
	stream->next_out = io->out;
	stream->avail_out = n_out;
	int result = inflate(stream, Z_NO_FLUSH);
	io->in = stream->next_in;
	io->n_in -= n_in - stream->avail_in;
	io->out = stream->next_out;
	io->n_out -= n_out - stream->avail_out;
	switch (result) {
	case Z_STREAM_END:
		return CODING_ENDS;
	case Z_NEED_DICT:
		io->why = "it needs a dictionary";
		return CODING_CORRUPT;
	case Z_DATA_ERROR:
		io->why = stream->msg ? stream->msg : "its data make no sense";
		return CODING_CORRUPT;
	case Z_MEM_ERROR:
		return CODING_NO_MEMORY;
	default:
		return CODING_GOES_ON;
	}
}

const struct coding coding_gzip = {"gzip", CHECK_BYTES, true, create_gzip, restart, decode};
const struct coding coding_deflate = {"deflate",      CHECK_BYTES, false,
				      create_deflate, restart,     decode};
const struct coding coding_raw_deflate = {"deflate",  CHECK_BYTES, false,
					  create_raw, restart,     decode};

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

struct loss_buffer *deflater_coded(struct deflater *deflater)
{
	return deflater->coded;
}

const struct loss_buffer *deflater_finish(struct deflater *deflater)
{
	deflater->stream.avail_in = 0;
	return deflate_all(deflater, Z_FINISH) ? deflater->coded : NULL;
}
