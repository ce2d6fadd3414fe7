#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "shm/shm_fault.h"

#define READ_BYTES ((size_t)1 << 18)
/* Coded bytes that are decoded at a time: what they make is held. */
#define CODED_BYTES ((size_t)4096)

/* ---------------------------------------------------------------- the file */

/* Fills source->raw, but at the end of the file; false when the file can not be read. */
static bool read_some(struct source *source)
{
	uint64_t start = clock_ns();
	source->n_raw = source->taken = 0;
	while (!source->ended && source->n_raw < READ_BYTES) {
		ssize_t got =
			read(source->file, source->raw + source->n_raw, READ_BYTES - source->n_raw);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		source->ended = got == 0;
		source->n_raw += (size_t)got;
	}
	source->bytes_in += source->n_raw;
	source->receive_ns += clock_ns() - start;
	return true;
}

/* ---------------------------------------------------------------- its coding */

static enum source_status fail_memory(struct source *source)
{
	loss_arena_failure(source->arena, &source->error);
	return SOURCE_CORRUPT;
}

static void keep(void *context, const unsigned char *bytes, size_t n)
{
	struct source *source = context;
	if (source->error.status == LOSS_OK && !loss_buffer_append(source->decoded, bytes, n))
		fail_memory(source);
}

/* Adds to what is decoded, until it is `least` bytes or all there is. */
static enum source_status decode(struct source *source, size_t least)
{
	while (source->decoded->size < least && source->error.status == LOSS_OK) {
		if (source->taken == source->n_raw && !read_some(source))
			return SOURCE_UNREADABLE;
		uint64_t start = clock_ns();
		size_t left = source->n_raw - source->taken;
		size_t n = left < CODED_BYTES ? left : CODED_BYTES;
		bool good = n > 0 && inflater_feed(source->inflater, source->raw + source->taken, n,
						   keep, source);
		source->taken += n;
		if (!good && source->error.status == LOSS_OK)
			inflater_finish(source->inflater, &source->error);
		source->decode_ns += clock_ns() - start;
		if (n == 0)
			break;
	}
	return source->error.status == LOSS_OK ? SOURCE_GOOD : SOURCE_CORRUPT;
}

static enum source_status start_decoding(struct source *source, enum content_coding coding)
{
	source->inflater = inflater_create(coding, INFLATER_NO_LIMIT, source->arena);
	source->decoded = loss_buffer_create(source->arena);
	if (!source->inflater || !source->decoded)
		return fail_memory(source);
	enum source_status status = decode(source, SIGNATURE_BYTES);
	source->bytes = source->decoded->data;
	source->n = source->decoded->size;
	source->beginning.n = 0;
	beginning_feed(&source->beginning, source->bytes, source->n);
	return status;
}

/* ---------------------------------------------------------------- the whole */

enum source_status source_open(struct source *source, const char *path, struct loss_arena *arena)
{
	*source = (struct source){.path = path, .arena = arena};
	source->file = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	source->raw = loss_arena_array(arena, unsigned char, READ_BYTES);
	if (!source->raw)
		return fail_memory(source);
	if (source->file < 0 || !read_some(source))
		return SOURCE_UNREADABLE;
	source->bytes = source->raw;
	source->n = source->n_raw;
	beginning_feed(&source->beginning, source->bytes, source->n);
	const struct signature *found = signature_find(&source->beginning);
	if (!found || found->coding == CODING_IDENTITY)
		return SOURCE_GOOD;
	return start_decoding(source, found->coding);
}

enum source_status source_next(struct source *source)
{
	enum source_status status = SOURCE_GOOD;
	if (source->inflater) {
		source->decoded->size = 0;
		status = decode(source, 1);
		source->bytes = source->decoded->data;
		source->n = source->decoded->size;
	} else {
		status = read_some(source) ? SOURCE_GOOD : SOURCE_UNREADABLE;
		source->bytes = source->raw;
		source->n = source->n_raw;
	}
	return status;
}

/* ---------------------------------------------------------------- where it lies */

/* Of files that are mapped, which others may cut meanwhile: one a tensor at most. */
static struct source_guard {
	const char *path; /* NULL: free */
	struct shm_slot *slot;
} guards[LOSS_N_ROLES];
static struct shm_slot slots[LOSS_N_ROLES];

/* NULL: there are too many, or the system has no handler for it. */
static struct source_guard *guard_take(const char *path)
{
	static bool started;
	size_t i = 0;
	started = started || shm_fault_start(slots, LOSS_N_ROLES);
	while (i < LOSS_N_ROLES && guards[i].path)
		i++;
	if (!started || i == LOSS_N_ROLES)
		return NULL;
	guards[i] = (struct source_guard){path, &slots[i]};
	return &guards[i];
}

static void guard_give(struct source_guard *guard)
{
	shm_slot_forget(guard->slot);
	guard->path = NULL;
}

const char *source_cut(void)
{
	for (size_t i = 0; i < LOSS_N_ROLES; i++)
		if (guards[i].path && shm_slot_damaged(guards[i].slot))
			return guards[i].path;
	return NULL;
}

/* The pages stay in the system's cache as long as it has room: to have them again costs little. */
void source_release(void)
{
	for (size_t i = 0; i < LOSS_N_ROLES; i++)
		if (guards[i].path)
			madvise(atomic_load(&guards[i].slot->begin),
				atomic_load(&guards[i].slot->size), MADV_DONTNEED);
}

uint64_t source_mapped(void)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < LOSS_N_ROLES; i++)
		if (guards[i].path)
			bytes += atomic_load(&guards[i].slot->size);
	return bytes;
}

bool source_map(struct source *source)
{
	struct stat about;
	if (source->mapping)
		return true;
	if (source->inflater || fstat(source->file, &about) != 0 || !S_ISREG(about.st_mode) ||
	    about.st_size <= 0 || lseek(source->file, 0, SEEK_CUR) != (off_t)source->bytes_in)
		return false;
	size_t size = (size_t)about.st_size;
	struct source_guard *guard = guard_take(source->path);
	void *mapping =
		guard ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, source->file, 0) : MAP_FAILED;
	if (mapping == MAP_FAILED) {
		if (guard)
			guard_give(guard);
		return false;
	}
	shm_slot_watch(guard->slot, mapping, size, false);
	madvise(mapping, size, MADV_SEQUENTIAL);
	source->mapping = mapping;
	source->mapped = size;
	source->guard = guard;
	source->bytes = mapping;
	source->n = (size_t)(source->bytes_in = size);
	return true;
}

enum source_status source_read_all(struct source *source)
{
	enum source_status status = SOURCE_GOOD;
	struct loss_buffer *all = loss_buffer_create(source->arena);
	if (source_map(source))
		return SOURCE_GOOD;
	if (!all)
		return fail_memory(source);
	while (status == SOURCE_GOOD && source->n > 0) {
		if (!loss_buffer_append(all, source->bytes, source->n))
			return fail_memory(source);
		status = source_next(source);
	}
	source->bytes = all->data;
	source->n = all->size;
	return status;
}

void source_close(struct source *source)
{
	if (source->mapping) {
		guard_give(source->guard);
		munmap(source->mapping, source->mapped);
	}
	if (source->file > STDIN_FILENO)
		close(source->file);
}
