/* gzip and deflate, in and out: the arithmetic is zlib's. */
#include <assert.h>

#define ZLIB_CONST
#include <zlib.h>

#include "coding.h"

/* zlib's own: the largest window, and the number that asks for a gzip header in place of zlib's. */
#define WINDOW_BITS 15
#define WITH_GZIP 16

#define CHECK_BYTES 4096 /* deflate makes at most 1032 bytes of one */

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

/* ---------------------------------------------------------------- out */

static void *create_out(struct loss_arena *arena)
{
	z_stream *stream = loss_arena_array(arena, z_stream, 1);
	if (!stream)
		return NULL;
	*stream = stream_of(arena);
	/* The fastest level: digits hardly become fewer by the others, which take several times as
	 * long. */
	int result = deflateInit2(stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS + WITH_GZIP,
				  MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY);
	return result == Z_OK ? stream : NULL;
}

static bool encode(void *state, const void *bytes, size_t n, bool end, struct loss_buffer *coded)
{
	z_stream *stream = state;
	assert(n <= UINT32_MAX); /* zlib counts in 32 bits */
	stream->next_in = bytes;
	stream->avail_in = (uInt)n;
	do {
		if (!loss_buffer_reserve(coded, CODING_PIECE_BYTES))
			return false;
		stream->next_out = coded->data + coded->size;
		stream->avail_out = CODING_PIECE_BYTES;
		(void)deflate(stream, end ? Z_FINISH : Z_NO_FLUSH);
		coded->size += CODING_PIECE_BYTES - stream->avail_out;
	} while (stream->avail_out == 0);
	return true;
}

/* ---------------------------------------------------------------- the rows */

const struct coding coding_gzip = {"gzip",  CHECK_BYTES, true,       create_gzip,
				   restart, decode,      create_out, encode};
const struct coding coding_deflate = {"deflate", CHECK_BYTES, false, create_deflate,
				      restart,   decode,      NULL,  NULL};
const struct coding coding_raw_deflate = {"deflate", CHECK_BYTES, false, create_raw,
					  restart,   decode,      NULL,  NULL};
