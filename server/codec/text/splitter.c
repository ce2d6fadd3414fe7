#include "splitter.h"

#include <string.h>

void splitter_start(struct splitter *splitter, const struct splitter_owner *owner)
{
	*splitter = (struct splitter){.owner = owner, .line = 1};
}

static bool is_blank(unsigned char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Some of a line, which is blank while there is nothing but space. */
static void feed_line(struct splitter *splitter, const unsigned char *bytes, size_t n)
{
	const struct splitter_owner *owner = splitter->owner;
	size_t blank = 0;
	while (!splitter->begun && blank < n && is_blank(bytes[blank]))
		blank++;
	if (!splitter->begun && blank < n) {
		splitter->begun = true;
		owner->begin(owner->context, splitter->line);
	}
	if (splitter->begun && blank < n)
		owner->feed(owner->context, bytes + blank, n - blank);
}

static void end_line(struct splitter *splitter)
{
	if (splitter->begun)
		splitter->owner->end(splitter->owner->context);
	splitter->begun = false;
	splitter->line++;
}

void splitter_feed(struct splitter *splitter, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		const unsigned char *end = memchr(bytes, '\n', n);
		size_t part = end ? (size_t)(end - bytes) : n;
		feed_line(splitter, bytes, part);
		if (end)
			end_line(splitter);
		bytes += part + (end ? 1 : 0);
		n -= part + (end ? 1 : 0);
	}
}

void splitter_finish(struct splitter *splitter)
{
	if (splitter->begun)
		end_line(splitter);
}
