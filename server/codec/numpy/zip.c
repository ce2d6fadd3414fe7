#include "zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "status/status.h"

#define PIECE_BYTES ((size_t)65536)

enum { METHOD_STORED = 0, METHOD_DEFLATED = 8 };
enum { FLAG_ENCRYPTED = 1 };

/* The fixed parts of the records, and how each begins. */
#define END_BYTES ((size_t)22)
#define END_COMMENT_MAX ((size_t)65535)
#define LOCATOR_BYTES ((size_t)20)
#define END64_BYTES ((size_t)56)
#define ENTRY_BYTES ((size_t)46)
#define LOCAL_BYTES ((size_t)30)
#define END_MARK "PK\5\6"
#define LOCATOR_MARK "PK\6\7"
#define END64_MARK "PK\6\6"
#define ENTRY_MARK "PK\1\2"
#define LOCAL_MARK "PK\3\4"
#define ZIP64_EXTRA 1

/* In a 32-bit field: the number stands in the extra field. */
#define ELSEWHERE UINT64_C(0xffffffff)

struct archive {
	const unsigned char *bytes;
	uint64_t n;
	uint64_t directory, directory_bytes, entries; /* the central directory */
	struct loss_arena *arena;
	struct loss_error *err;
};

static uint64_t number(const unsigned char *bytes, size_t n)
{
	uint64_t value = 0;
	for (size_t i = n; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

static bool begins(const struct archive *archive, uint64_t at, uint64_t n, const char *mark)
{
	return at <= archive->n && archive->n - at >= n &&
	       memcmp(archive->bytes + at, mark, 4) == 0;
}

static bool refuse(const struct archive *archive, const char *what, uint64_t at)
{
	loss_fail(archive->err, STATUS_INVALID_ENCODING, NULL,
		  "the zip archive is corrupt: at byte %" PRIu64 " %s", at, what);
	return false;
}

/* ---------------------------------------------------------------- the end */

/* The last record is before a comment, of any length. */
static bool find_end(const struct archive *archive, uint64_t *at)
{
	uint64_t least = archive->n > END_BYTES + END_COMMENT_MAX
				 ? archive->n - END_BYTES - END_COMMENT_MAX
				 : 0;
	for (*at = archive->n < END_BYTES ? 0 : archive->n - END_BYTES + 1; *at > least;) {
		--*at;
		if (begins(archive, *at, END_BYTES, END_MARK) &&
		    *at + END_BYTES + number(archive->bytes + *at + 20, 2) == archive->n)
			return true;
	}
	loss_fail(archive->err, STATUS_TRUNCATED_BODY, NULL,
		  "the zip archive has no end: its %" PRIu64
		  " bytes do not end with a directory of its members, so it was cut",
		  archive->n);
	return false;
}

static bool read_end64(struct archive *archive, uint64_t end)
{
	const unsigned char *bytes = archive->bytes;
	if (end < LOCATOR_BYTES ||
	    !begins(archive, end - LOCATOR_BYTES, LOCATOR_BYTES, LOCATOR_MARK))
		return true; /* then it is none of 64 bits */
	uint64_t at = number(bytes + end - LOCATOR_BYTES + 8, 8);
	if (!begins(archive, at, END64_BYTES, END64_MARK))
		return refuse(archive, "the directory's end of 64 bits is expected", at);
	archive->entries = number(bytes + at + 32, 8);
	archive->directory_bytes = number(bytes + at + 40, 8);
	archive->directory = number(bytes + at + 48, 8);
	return true;
}

static bool read_end(struct archive *archive)
{
	uint64_t end;
	if (!find_end(archive, &end))
		return false;
	const unsigned char *record = archive->bytes + end;
	archive->entries = number(record + 10, 2);
	archive->directory_bytes = number(record + 12, 4);
	archive->directory = number(record + 16, 4);
	if (!read_end64(archive, end))
		return false;
	if (archive->directory > end || archive->directory_bytes > end - archive->directory)
		return refuse(archive, "the directory is said to begin, which is not in it",
			      archive->directory);
	/* So what is allocated for them is not much more than the file. */
	if (archive->entries > archive->directory_bytes / ENTRY_BYTES)
		return refuse(archive, "the directory has fewer members than it is said to",
			      archive->directory);
	return true;
}

/* ---------------------------------------------------------------- its members */

/* Numbers of 64 bits in the extra field stand in for those that are ELSEWHERE, in order. */
static bool read_extra(const unsigned char *extra, size_t n, uint64_t *const *fields)
{
	size_t at = 0, used = 0;
	while (n - at >= 4 && number(extra + at, 2) != ZIP64_EXTRA) {
		size_t size = (size_t)number(extra + at + 2, 2);
		at += 4 + (size < n - at - 4 ? size : n - at - 4);
	}
	const unsigned char *values = extra + at + 4;
	size_t room = n - at < 4 ? 0 : (size_t)number(extra + at + 2, 2);
	room = n - at < 4 ? 0 : room < n - at - 4 ? room : n - at - 4;
	for (; *fields; fields++) {
		if (**fields != ELSEWHERE)
			continue;
		if (room - used < 8)
			return false;
		**fields = number(values + used, 8);
		used += 8;
	}
	return true;
}

static bool choose_coding(struct archive *archive, struct zip_member *member, unsigned flags,
			  unsigned method)
{
	bool known = method == METHOD_STORED || method == METHOD_DEFLATED;
	if (known && !(flags & FLAG_ENCRYPTED) &&
	    (method == METHOD_DEFLATED || member->coded == member->bytes)) {
		member->coding = method == METHOD_DEFLATED ? &coding_raw_deflate : NULL;
		return true;
	}
	loss_fail(archive->err, STATUS_INVALID_ENCODING, NULL, "%.60s in the zip archive %s",
		  member->name,
		  flags & FLAG_ENCRYPTED ? "is encrypted; save it without a password"
		  : known                ? "is stored, but has two sizes"
			  : "is compressed in another way than deflate; save it with "
			    "numpy.savez or numpy.savez_compressed");
	return false;
}

/* Its own header, which says where its bytes begin. */
static bool read_local(struct archive *archive, struct zip_member *member)
{
	uint64_t at = member->begin;
	if (at >= archive->directory || !begins(archive, at, LOCAL_BYTES, LOCAL_MARK))
		return refuse(archive, "the header of a member is expected", at);
	const unsigned char *header = archive->bytes + at;
	uint64_t name = number(header + 26, 2), extra = number(header + 28, 2);
	uint64_t skipped = LOCAL_BYTES + name + extra, left = archive->directory - at;
	if (skipped > left || member->coded > left - skipped)
		return refuse(archive, "a member begins that goes on into the directory", at);
	if (name != strlen(member->name) || memcmp(header + LOCAL_BYTES, member->name, name) != 0)
		return refuse(archive, "a member has another name than in the directory", at);
	member->data = header + skipped;
	return true;
}

/* Entry of the directory at *at, which is moved behind it. */
static bool read_entry(struct archive *archive, uint64_t *at, struct zip_member *member)
{
	uint64_t end = archive->directory + archive->directory_bytes;
	if (end - *at < ENTRY_BYTES || !begins(archive, *at, ENTRY_BYTES, ENTRY_MARK))
		return refuse(archive, "an entry of the directory is expected", *at);
	const unsigned char *entry = archive->bytes + *at;
	size_t name = (size_t)number(entry + 28, 2), extra = (size_t)number(entry + 30, 2);
	uint64_t size = ENTRY_BYTES + name + extra + number(entry + 32, 2);
	if (size > end - *at)
		return refuse(archive, "an entry goes on behind the directory", *at);
	*member = (struct zip_member){
		.name = loss_arena_printf(archive->arena, "%.*s", (int)name,
					  (const char *)entry + ENTRY_BYTES),
		.begin = number(entry + 42, 4),
		.coded = number(entry + 20, 4),
		.bytes = number(entry + 24, 4),
		.checksum = (uint32_t)number(entry + 16, 4),
		.is_checked = true,
	};
	if (!member->name) {
		loss_arena_failure(archive->arena, archive->err);
		return false;
	}
	uint64_t *const fields[] = {&member->bytes, &member->coded, &member->begin, NULL};
	if (!read_extra(entry + ENTRY_BYTES + name, extra, fields))
		return refuse(archive, "an entry lacks its numbers of 64 bits", *at);
	*at += size;
	return choose_coding(archive, member, (unsigned)number(entry + 8, 2),
			     (unsigned)number(entry + 10, 2)) &&
	       read_local(archive, member);
}

static int by_place(const void *a, const void *b)
{
	const struct zip_member *x = a, *y = b;
	return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The same bytes twice would be more than there are. */
static bool check_overlap(struct archive *archive, const struct zip *zip)
{
	for (size_t i = 1; i < zip->n; i++) {
		const struct zip_member *before = &zip->members[i - 1];
		uint64_t end = (uint64_t)(before->data - archive->bytes) + before->coded;
		if (zip->members[i].begin < end)
			return refuse(archive, "a member begins within another",
				      zip->members[i].begin);
	}
	return true;
}

static bool read_entries(struct archive *archive, struct zip *zip)
{
	uint64_t at = archive->directory;
	zip->n = 0;
	zip->members = loss_arena_array(archive->arena, struct zip_member, archive->entries);
	if (!zip->members) {
		loss_arena_failure(archive->arena, archive->err);
		return false;
	}
	while (zip->n < archive->entries)
		if (!read_entry(archive, &at, &zip->members[zip->n++]))
			return false;
	qsort(zip->members, zip->n, sizeof *zip->members, by_place);
	return check_overlap(archive, zip);
}

loss_status zip_open(struct zip *zip, const unsigned char *bytes, size_t n,
		     struct loss_arena *arena, struct loss_error *err)
{
	struct archive archive = {.bytes = bytes, .n = n, .arena = arena, .err = err};
	return read_end(&archive) && read_entries(&archive, zip) ? LOSS_OK : err->status;
}

/* ---------------------------------------------------------------- their bytes */

/* What has come of a member. */
struct reading {
	const struct zip_member *member;
	uint64_t bytes;
	uLong checksum;
	zip_sink *sink;
	void *context;
	bool full; /* no more is wanted */
};

static loss_status blame(const struct zip_member *member, const char *why, struct loss_error *err)
{
	return loss_fail(err, STATUS_INVALID_ENCODING, NULL,
			 "%.60s in the zip archive is corrupt: %s", member->name, why);
}

/* False when it is more than was said, or nobody wants it. */
static bool pass_on(struct reading *reading, const unsigned char *bytes, size_t n)
{
	reading->bytes += n;
	if (reading->bytes > reading->member->bytes)
		return false;
	if (reading->member->is_checked)
		reading->checksum = crc32_z(reading->checksum, bytes, n);
	reading->full = !reading->sink(reading->context, bytes, n);
	return !reading->full;
}

static void read_stored(struct reading *reading)
{
	const struct zip_member *member = reading->member;
	for (uint64_t at = 0; at < member->bytes;) {
		uint64_t left = member->bytes - at;
		size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		if (!pass_on(reading, member->data + at, n))
			return;
		at += n;
	}
}

static loss_status read_coded(struct reading *reading, struct loss_arena *arena,
			      struct loss_error *err)
{
	const struct zip_member *member = reading->member;
	void *state = member->coding->create(arena);
	unsigned char *piece = loss_arena_array(arena, unsigned char, PIECE_BYTES);
	struct coding_io io = {.in = member->data, .n_in = (size_t)member->coded};
	enum coding_end end = CODING_GOES_ON;
	if (!state || !piece)
		return loss_arena_failure(arena, err);
	while (end == CODING_GOES_ON) {
		io.out = piece;
		io.n_out = PIECE_BYTES;
		end = member->coding->decode(state, &io);
		size_t n = PIECE_BYTES - io.n_out;
		if (n > 0 && !pass_on(reading, piece, n))
			return LOSS_OK;
		if (n == 0 && end == CODING_GOES_ON)
			return blame(member, "it ends too early", err);
	}
	if (end == CODING_NO_MEMORY)
		return loss_arena_failure(arena, err);
	if (end == CODING_CORRUPT)
		return blame(member, io.why, err);
	return io.n_in > 0 ? blame(member, "there are bytes after its end", err) : LOSS_OK;
}

loss_status zip_read(const struct zip_member *member, struct loss_arena *arena, zip_sink *sink,
		     void *context, struct loss_error *err)
{
	struct reading reading = {.member = member, .sink = sink, .context = context};
	loss_status status = LOSS_OK;
	if (member->coding)
		status = read_coded(&reading, arena, err);
	else
		read_stored(&reading);
	if (status != LOSS_OK || reading.full)
		return status;
	if (reading.bytes != member->bytes)
		return blame(member, "it has another size than the directory says", err);
	if (member->is_checked && reading.checksum != member->checksum)
		return blame(member, "its checksum is another", err);
	return LOSS_OK;
}
