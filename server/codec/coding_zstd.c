/*
 * zstd (RFC 8878), of a window as content codings have it (RFC 9659). The arithmetic is libzstd's.
 *
 * libzstd is handed what one block, or one header, still lacks at a time, and that only when it has
 * given out what it holds: so what has been decoded when it finds an error does not depend on the
 * pieces that the body came in, for it forgets what it wrote in the same call.
 */
#define ZSTD_STATIC_LINKING_ONLY /* memory of our own */
#include <zstd.h>
#include <zstd_errors.h>

#include "coding.h"

#define WINDOW_LOG 23
#define WINDOW_TOO_LARGE                                                                           \
	"it needs a window of more than 8 MiB, which is the most; compress it again without "      \
	"--ultra and --long"

/* A block of four bytes makes 128 KiB. */
#define CHECK_BYTES 128
#define BLOCK_HEADER_BYTES 3
/* What ZSTD_decompressStream wants first, more or less: it takes any number. */
#define FIRST_BYTES ((size_t)2)
#define MAGIC_BYTES 4

/* Memory that libzstd has given back: it asks for a context, and for a window as each frame has it.
 */
struct spare {
	void *memory; /* NULL: none */
	size_t size;
};
#define N_SPARES 4

struct memory {
	struct loss_arena *arena;
	bool failed;
	struct spare spares[N_SPARES];
};

/* What decodes. */
struct zstd {
	struct memory memory;
	ZSTD_DCtx *context;
	bool holds;        /* decoded bytes that there was no room for, perhaps */
	size_t wants;      /* bytes of the block or header that is being read; 0: any number */
	unsigned magic;    /* bytes of it that were seen */
	bool is_skippable; /* by them */
};

/* ---------------------------------------------------------------- memory */

/* Each taken again is at least twice as large as what was too small: so frames whose windows grow
 * take no more than a few times the largest. The size stands before the memory. */
#define HEAD_BYTES 64 /* what the arena aligns to */

static void *take(void *opaque, size_t n)
{
	struct memory *memory = opaque;
	size_t size = n;
	for (size_t i = 0; i < N_SPARES; i++) {
		struct spare *spare = &memory->spares[i];
		if (!spare->memory)
			continue;
		if (spare->size >= n) {
			void *block = spare->memory;
			spare->memory = NULL;
			return block;
		}
		size = spare->size > size / 2 ? spare->size * 2 : size;
	}
	unsigned char *block = loss_arena_alloc(memory->arena, 1, HEAD_BYTES + size);
	memory->failed |= !block;
	if (!block)
		return NULL;
	*(size_t *)(void *)block = size;
	return block + HEAD_BYTES;
}

/* The smallest is forgotten until the arena's end, where all are kept. */
static void leave(void *opaque, void *block)
{
	struct memory *memory = opaque;
	if (!block)
		return;
	size_t size = *(size_t *)(void *)((unsigned char *)block - HEAD_BYTES);
	struct spare *least = &memory->spares[0];
	for (size_t i = 1; i < N_SPARES && least->memory; i++)
		if (!memory->spares[i].memory || memory->spares[i].size < least->size)
			least = &memory->spares[i];
	if (!least->memory || least->size < size)
		*least = (struct spare){block, size};
}

/* ---------------------------------------------------------------- in */

static void restart(void *state)
{
	struct zstd *zstd = state;
	zstd->wants = FIRST_BYTES;
	zstd->magic = 0;
}

static void *create(struct loss_arena *arena)
{
	struct zstd *zstd = loss_arena_array(arena, struct zstd, 1);
	if (!zstd)
		return NULL;
	*zstd = (struct zstd){.memory = {.arena = arena}};
	zstd->context = ZSTD_createDCtx_advanced((ZSTD_customMem){take, leave, &zstd->memory});
	if (!zstd->context ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(zstd->context, ZSTD_d_windowLogMax, WINDOW_LOG)))
		return NULL;
	restart(zstd);
	return zstd;
}

/* Frames begin with 28 b5 2f fd, or with 50 to 5f, 2a 4d 18 where they are to be skipped. libzstd
 * may know older forms as well, whose memory is not ours. */
static bool is_magic(struct zstd *zstd, unsigned char byte)
{
	static const unsigned char frame[MAGIC_BYTES] = {0x28, 0xb5, 0x2f, 0xfd};
	static const unsigned char skippable[MAGIC_BYTES] = {0x50, 0x2a, 0x4d, 0x18};
	unsigned i = zstd->magic++;
	if (i == 0)
		zstd->is_skippable = (byte & 0xf0) == skippable[0];
	if (i == 0 && zstd->is_skippable)
		return true;
	return byte == (zstd->is_skippable ? skippable : frame)[i];
}

static bool check_magic(struct zstd *zstd, const struct coding_io *io, size_t n)
{
	for (size_t i = 0; i < n && zstd->magic < MAGIC_BYTES; i++)
		if (!is_magic(zstd, io->in[i]))
			return false;
	return true;
}

static enum coding_end blame(const struct zstd *zstd, size_t result, struct coding_io *io)
{
	switch (ZSTD_getErrorCode(result)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		io->why = WINDOW_TOO_LARGE;
		break;
	case ZSTD_error_dictionary_wrong:
	case ZSTD_error_dictionary_corrupted:
		io->why = "it needs a dictionary";
		break;
	default:
		io->why = ZSTD_getErrorName(result);
	}
	return zstd->memory.failed ? CODING_NO_MEMORY : CODING_CORRUPT;
}

/* What is to be handed over at once: not the header of the next block, which is asked for too, and
 * nothing before what is held has come out. */
static size_t part_of(const struct zstd *zstd, size_t n)
{
	size_t wants =
		zstd->wants > BLOCK_HEADER_BYTES ? zstd->wants - BLOCK_HEADER_BYTES : zstd->wants;
	/* The last byte comes alone: those of a block that is stored come out as they come, and
	 * only the last one's can be forgotten. */
	wants -= wants > 1;
	wants = zstd->holds ? 0 : wants;
	return n < wants ? n : wants;
}

static enum coding_end decode(void *state, struct coding_io *io)
{
	struct zstd *zstd = state;
	do {
		size_t n = part_of(zstd, io->n_in);
		if (!check_magic(zstd, io, n)) {
			io->why = "it does not begin as zstd does, with 28 b5 2f fd";
			return CODING_CORRUPT;
		}
		ZSTD_inBuffer in = {io->in, n, 0};
		ZSTD_outBuffer out = {io->out, io->n_out, 0};
		size_t result = ZSTD_decompressStream(zstd->context, &out, &in);
		if (ZSTD_isError(result))
			return blame(zstd, result, io);
		io->in += in.pos;
		io->n_in -= in.pos;
		io->out += out.pos;
		io->n_out -= out.pos;
		zstd->wants = result;
		zstd->holds = io->n_out == 0;
		if (result == 0)
			return CODING_ENDS;
	} while (io->n_in > 0 && io->n_out > 0);
	return CODING_GOES_ON;
}

/* ---------------------------------------------------------------- out */

/* What codes. */
struct zstd_out {
	struct memory memory;
	ZSTD_CCtx *context;
};

/* The fastest level that packs digits well, and a window that half a MiB is enough for: by more of
 * either digits do not become fewer. */
#define OUT_LEVEL 1
#define OUT_WINDOW_LOG 16

static bool set_out(ZSTD_CCtx *context)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, OUT_LEVEL)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, OUT_WINDOW_LOG));
}

/* libzstd takes its memory with the first call: a call without bytes, so that what begins is not
 * given up for want of it later. */
static bool begin_out(ZSTD_CCtx *context)
{
	ZSTD_inBuffer in = {NULL, 0, 0};
	ZSTD_outBuffer out = {NULL, 0, 0};
	return !ZSTD_isError(ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue));
}

static void *create_out(struct loss_arena *arena)
{
	struct zstd_out *zstd = loss_arena_array(arena, struct zstd_out, 1);
	if (!zstd)
		return NULL;
	*zstd = (struct zstd_out){.memory = {.arena = arena}};
	zstd->context = ZSTD_createCCtx_advanced((ZSTD_customMem){take, leave, &zstd->memory});
	return zstd->context && set_out(zstd->context) && begin_out(zstd->context) ? zstd : NULL;
}

static bool encode(void *state, const void *bytes, size_t n, bool end, struct loss_buffer *coded)
{
	struct zstd_out *zstd = state;
	ZSTD_inBuffer in = {bytes, n, 0};
	size_t left;
	do {
		if (!loss_buffer_reserve(coded, CODING_PIECE_BYTES))
			return false;
		ZSTD_outBuffer out = {coded->data + coded->size, CODING_PIECE_BYTES, 0};
		left = ZSTD_compressStream2(zstd->context, &out, &in,
					    end ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return false;
		coded->size += out.pos;
	} while (in.pos < n || (end && left > 0));
	return true;
}

const struct coding coding_zstd = {"zstd",  CHECK_BYTES, true,       create,
				   restart, decode,      create_out, encode};
