/* Archives as they should not be, and those with numbers of 64 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "../../server/codec/numpy/zip.h"
#include "../support/memory.h"
#include "status/status.h"

#define TEXT "the bytes of a member"

/* What an archive of one member, or the same one twice, is made of. */
struct draft {
	unsigned flags, method, copies;
	uint64_t coded, bytes, begin; /* as the directory has them; the member is stored */
	const char *own_name;         /* in its own header */
	uint32_t checksum;
	bool wide;          /* numbers of 64 bits, also those of the end */
	unsigned extra;     /* bytes of the extra field that are left out */
	unsigned entries;   /* that are announced; 0: as many as there are */
	uint64_t directory; /* moved by */
};

struct archive {
	unsigned char bytes[1024];
	size_t n;
};

static void put(struct archive *archive, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		archive->bytes[archive->n++] = (unsigned char)(i < 8 ? value >> 8 * i : 0);
}

static void put_text(struct archive *archive, const char *text)
{
	memcpy(archive->bytes + archive->n, text, strlen(text));
	archive->n += strlen(text);
}

static void put_local(struct archive *archive, const struct draft *draft)
{
	put_text(archive, "PK\3\4");
	put(archive, 45, 2);
	put(archive, draft->flags, 2);
	put(archive, draft->method, 2);
	put(archive, 0, 4);
	put(archive, draft->checksum, 4);
	put(archive, UINT32_MAX, 4);
	put(archive, UINT32_MAX, 4);
	put(archive, strlen(draft->own_name), 2);
	put(archive, 20, 2);
	put_text(archive, draft->own_name);
	put(archive, 1, 2);
	put(archive, 16, 2);
	put(archive, draft->bytes, 8);
	put(archive, draft->coded, 8);
	put_text(archive, TEXT);
}

static void put_entry(struct archive *archive, const struct draft *draft)
{
	unsigned extra = draft->wide ? 4 + 24 - draft->extra : 0;
	put_text(archive, "PK\1\2");
	put(archive, 45, 2);
	put(archive, 45, 2);
	put(archive, draft->flags, 2);
	put(archive, draft->method, 2);
	put(archive, 0, 4);
	put(archive, draft->checksum, 4);
	put(archive, draft->wide ? UINT32_MAX : draft->coded, 4);
	put(archive, draft->wide ? UINT32_MAX : draft->bytes, 4);
	put(archive, 5, 2);
	put(archive, extra, 2);
	put(archive, 0, 10);
	put(archive, draft->wide ? UINT32_MAX : draft->begin, 4);
	put_text(archive, "a.npy");
	if (extra == 0)
		return;
	put(archive, 1, 2);
	put(archive, extra - 4, 2);
	put(archive, draft->bytes, 8);
	put(archive, draft->coded, 8);
	put(archive, draft->begin, 8);
	archive->n -= draft->extra;
}

static void put_end(struct archive *archive, const struct draft *draft, uint64_t directory)
{
	uint64_t size = archive->n - directory, at = archive->n;
	unsigned entries = draft->entries ? draft->entries : draft->copies;
	directory += draft->directory;
	if (draft->wide) {
		put_text(archive, "PK\6\6");
		put(archive, 44, 8);
		put(archive, 0, 12);
		put(archive, entries, 8);
		put(archive, entries, 8);
		put(archive, size, 8);
		put(archive, directory, 8);
		put_text(archive, "PK\6\7");
		put(archive, 0, 4);
		put(archive, at, 8);
		put(archive, 1, 4);
	}
	put_text(archive, "PK\5\6");
	put(archive, 0, 4);
	put(archive, draft->wide ? 0xffff : entries, 2);
	put(archive, draft->wide ? 0xffff : entries, 2);
	put(archive, draft->wide ? UINT32_MAX : size, 4);
	put(archive, draft->wide ? UINT32_MAX : directory, 4);
	put(archive, 0, 2);
}

static struct archive make(const struct draft *draft)
{
	struct archive archive = {.n = 0};
	put_local(&archive, draft);
	uint64_t directory = archive.n;
	for (unsigned i = 0; i < draft->copies; i++)
		put_entry(&archive, draft);
	put_end(&archive, draft, directory);
	return archive;
}

static bool append(void *context, const unsigned char *bytes, size_t n)
{
	assert_true(loss_buffer_append(context, bytes, n));
	return true;
}

/* Opens it and reads all members, out of memory that ends where the archive does. */
static loss_status read_all(const struct archive *archive, struct loss_buffer *out,
			    struct loss_arena *arena, struct loss_error *err)
{
	struct zip zip;
	unsigned char *bytes = test_malloc(archive->n ? archive->n : 1);
	memcpy(bytes, archive->bytes, archive->n);
	loss_status status = zip_open(&zip, bytes, archive->n, arena, err);
	for (size_t i = 0; status == LOSS_OK && i < zip.n; i++)
		status = zip_read(&zip.members[i], arena, append, out, err);
	test_free(bytes);
	return status;
}

static struct draft good(void)
{
	return (struct draft){.copies = 1,
			      .coded = sizeof TEXT - 1,
			      .bytes = sizeof TEXT - 1,
			      .own_name = "a.npy",
			      .checksum =
				      (uint32_t)crc32_z(0, (const Bytef *)TEXT, sizeof TEXT - 1)};
}

static void check(const char *about, const struct draft *draft, const char *words)
{
	struct loss_arena *arena = create_arena(NULL);
	struct loss_buffer *out = loss_buffer_create(arena);
	struct loss_error err = {.detail = ""};
	struct archive archive = make(draft);
	loss_status status = read_all(&archive, out, arena, &err);
	if ((status != LOSS_OK) != (words != NULL) || (words && !strstr(err.detail, words)))
		fail_msg("%s: %s", about, err.detail);
	if (!words)
		assert_true(out->size == sizeof TEXT - 1 && !memcmp(out->data, TEXT, out->size));
	loss_arena_destroy(arena);
}

static void test_good(void **state)
{
	(void)state;
	struct draft draft = good();
	check("stored", &draft, NULL);
	draft.wide = true;
	check("of 64 bits", &draft, NULL);
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *about, *words;
		struct draft change; /* what is not 0 stands in for what is good */
	} cases[] = {
		{"encrypted", "a.npy in the zip archive is encrypted", {.flags = 1}},
		{"another method",
		 "in another way than deflate; save it with numpy.savez",
		 {.method = 12}},
		{"no deflate", "is corrupt: ", {.method = 8}},
		{"two sizes", "is stored, but has two sizes", {.bytes = 22}},
		{"long", "goes on into the directory", {.bytes = 22, .coded = 22}},
		{"huge",
		 "goes on into the directory",
		 {.bytes = UINT64_MAX, .coded = UINT64_MAX, .wide = true}},
		{"short", "its checksum is another", {.bytes = 20, .coded = 20}},
		{"elsewhere", "the header of a member is expected", {.begin = 1}},
		{"far", "the header of a member is expected", {.begin = UINT64_MAX, .wide = true}},
		{"another name", "another name than in the directory", {.own_name = "b.npy"}},
		{"longer name", "another name than in the directory", {.own_name = "a.npy.npy"}},
		{"checksum", "its checksum is another", {.checksum = 1}},
		{"twice", "a member begins within another", {.copies = 2}},
		{"cut extra", "lacks its numbers of 64 bits", {.wide = true, .extra = 1}},
		{"no extra", "lacks its numbers of 64 bits", {.wide = true, .extra = 24}},
		{"too many", "fewer members than it is said to", {.entries = 2}},
		{"far too many", "fewer members", {.entries = 65535}},
		{"moved", "which is not in it", {.directory = 1}},
		{"moved far", "which is not in it", {.directory = UINT64_MAX / 2, .wide = true}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct draft draft = good();
		const struct draft *change = &cases[i].change;
		draft.flags = change->flags;
		draft.method = change->method;
		draft.copies = change->copies ? change->copies : draft.copies;
		draft.coded = change->coded ? change->coded : draft.coded;
		draft.bytes = change->bytes ? change->bytes : draft.bytes;
		draft.begin = change->begin;
		draft.own_name = change->own_name ? change->own_name : draft.own_name;
		draft.checksum = change->checksum ? change->checksum : draft.checksum;
		draft.wide = change->wide;
		draft.extra = change->extra;
		draft.entries = change->entries;
		draft.directory = change->directory;
		check(cases[i].about, &draft, cases[i].words);
	}
}

/* Every cut, and every byte changed in every way that one bit allows: a sentence, or the bytes. */
static void test_cut_and_changed(void **state)
{
	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		struct draft draft = good();
		draft.wide = wide;
		const struct archive whole = make(&draft);
		for (size_t i = 0; i < whole.n * 9; i++) {
			struct loss_arena *arena = create_arena(NULL);
			struct loss_buffer *out = loss_buffer_create(arena);
			struct loss_error err = {.detail = ""};
			struct archive archive = whole;
			bool cut = i % 9 == 8;
			if (cut)
				archive.n = i / 9;
			else
				archive.bytes[i / 9] ^= (unsigned char)(1 << i % 9);
			loss_status status = read_all(&archive, out, arena, &err);
			assert_true(status != LOSS_OK || !cut);
			assert_true(status == LOSS_OK || err.detail[0]);
			if (status == LOSS_OK && out->size > 0)
				assert_memory_equal(out->data, TEXT, sizeof TEXT - 1);
			loss_arena_destroy(arena);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_cut_and_changed),
	};
	return cmocka_run_group_tests_name("zip", tests, NULL, NULL);
}
