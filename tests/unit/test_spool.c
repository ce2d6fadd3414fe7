/* Bytes kept in memory and in a file without a name, and what becomes of them where that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/memory.h"
#include "budget.h"
#include "os/spool.h"

#define PIECE ((size_t)65536)
#define PIECES (SPOOL_MEMORY_BYTES / PIECE) /* that fill its memory */

static char folder[] = "/tmp/lossd-test-spool-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGXFSZ, &ignore, NULL); /* as the server does */
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* which is empty */
}

/* Piece i begins with its number. */
static const unsigned char *piece(size_t i)
{
	static unsigned char bytes[PIECE];
	memset(bytes, (int)(i & 0xff), sizeof bytes);
	memcpy(bytes, &i, sizeof i);
	return bytes;
}

static bool add(struct spool *spool, size_t i)
{
	return spool_add(spool, piece(i), PIECE);
}

/* All n pieces are there, in order, first those of the file. */
static void assert_pieces(const struct spool *spool, size_t n)
{
	unsigned char got[PIECE];
	assert_int_equal(spool_size(spool), n * PIECE);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = i * PIECE;
		size_t there = 0;
		if (at < spool->in_file)
			there = spool_copy(spool->fd, at, got, PIECE);
		if (there < PIECE)
			memcpy(got + there, spool->memory->data + (at + there - spool->in_file),
			       PIECE - there);
		assert_memory_equal(got, piece(i), PIECE);
	}
}

static void a_little_stays_in_memory(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct spool spool;
	assert_true(spool_start(&spool, arena, folder));
	for (size_t i = 0; i + 1 < PIECES; i++)
		assert_true(add(&spool, i));
	assert_true(spool_add(&spool, piece(PIECES - 1), PIECE - 1));
	spool_end(&spool);
	assert_int_equal(spool.fd, -1);
	assert_int_equal(spool_size(&spool), SPOOL_MEMORY_BYTES - 1);
	spool_drop(&spool);
	loss_arena_destroy(arena);
}

static void what_is_more_goes_to_a_file(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct spool spool;
	assert_true(spool_start(&spool, arena, folder));
	for (size_t i = 0; i < PIECES; i++)
		assert_true(add(&spool, i));
	assert_true(spool.fd >= 0);
	assert_pieces(&spool, PIECES);
	for (size_t i = PIECES; i < 3 * PIECES + 1; i++) {
		assert_true(add(&spool, i));
		assert_true(spool.memory->capacity <= 2 * SPOOL_PIECE_BYTES);
	}
	assert_pieces(&spool, 3 * PIECES + 1);
	spool_end(&spool);
	assert_int_equal(spool.memory->size, 0);
	assert_pieces(&spool, 3 * PIECES + 1);
	assert_int_equal(spool.failure, 0);
	int flags = fcntl(spool.fd, F_GETFD);
	assert_true(flags & FD_CLOEXEC);
	spool_drop(&spool);
	spool_drop(&spool);
	assert_int_equal(spool_size(&spool), 0);
	loss_arena_destroy(arena);
}

/* Nothing is lost, and who asks learns that it is time to stop. */
static void without_a_folder_all_stays_in_memory(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct spool spool;
	assert_true(spool_start(&spool, arena, "/nowhere/at/all"));
	for (size_t i = 0; i < PIECES; i++)
		assert_true(add(&spool, i));
	assert_int_equal(spool.failure, ENOENT);
	assert_true(add(&spool, PIECES));
	spool_end(&spool);
	assert_pieces(&spool, PIECES + 1);
	spool_drop(&spool);
	loss_arena_destroy(arena);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_a_full_disk_does_not_take_stays_in_memory(void **state)
{
	(void)state;
	struct loss_arena *arena = create_arena(NULL);
	struct spool spool;
	size_t n = 0;
	assert_true(spool_start(&spool, arena, folder));
	limit_files(SPOOL_MEMORY_BYTES + SPOOL_PIECE_BYTES / 2 + 1);
	while (spool.failure == 0)
		assert_true(add(&spool, n++));
	assert_int_equal(spool.failure, EFBIG);
	assert_true(add(&spool, n++));
	spool_end(&spool);
	limit_files(RLIM_INFINITY);
	assert_int_equal(spool.in_file, SPOOL_MEMORY_BYTES + SPOOL_PIECE_BYTES / 2 + 1);
	assert_pieces(&spool, n);
	spool_drop(&spool);
	loss_arena_destroy(arena);
}

/* Where the budget has no room for as much memory, the file takes it earlier. */
static void scarce_memory_is_no_failure(void **state)
{
	(void)state;
	struct loss_budget budget = budget_of((size_t)1 << 20);
	struct loss_arena *arena = create_arena(&budget);
	struct spool spool;
	assert_true(spool_start(&spool, arena, folder));
	for (size_t i = 0; i < 2 * PIECES; i++)
		assert_true(add(&spool, i));
	assert_true(spool.fd >= 0);
	assert_pieces(&spool, 2 * PIECES);
	spool_drop(&spool);
	loss_arena_destroy(arena);
	loss_budget_trim(&budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_little_stays_in_memory),
		cmocka_unit_test(what_is_more_goes_to_a_file),
		cmocka_unit_test(without_a_folder_all_stays_in_memory),
		cmocka_unit_test(what_a_full_disk_does_not_take_stays_in_memory),
		cmocka_unit_test(scarce_memory_is_no_failure),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
