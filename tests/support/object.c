#include "object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

const char *object_prefix(void)
{
	static char prefix[32];
	snprintf(prefix, sizeof prefix, "lossd_test_%ld_", (long)getpid());
	return prefix;
}

void object_create(struct object *object, const char *name, size_t size)
{
	snprintf(object->key, sizeof object->key, "/%s%s", object_prefix(), name);
	shm_unlink(object->key);
	object->fd = shm_open(object->key, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(object->fd >= 0);
	object_resize(object, size);
	object->size = size;
	object->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, object->fd, 0);
	assert_true(object->data != MAP_FAILED);
}

void object_resize(struct object *object, size_t size)
{
	assert_int_equal(ftruncate(object->fd, (off_t)size), 0);
}

size_t object_mappings(const struct object *object)
{
	char line[512];
	size_t n = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	assert_non_null(maps);
	while (fgets(line, sizeof line, maps))
		n += strstr(line, object->key) != NULL;
	fclose(maps);
	return n;
}

void object_destroy(struct object *object)
{
	munmap(object->data, object->size);
	close(object->fd);
	shm_unlink(object->key);
}

void object_register(struct client *client, const char *name, const char *key, size_t offset,
		     size_t byte_size)
{
	char path[128], body[256];
	struct reply reply;
	snprintf(path, sizeof path, "/v2/systemsharedmemory/region/%s/register", name);
	snprintf(body, sizeof body, "{\"key\": \"%s\", \"offset\": %zu, \"byte_size\": %zu}", key,
		 offset, byte_size);
	client_post(client, path, body, &reply);
	if (reply.status != 200)
		fail_msg("%s", reply.body);
	assert_string_equal(reply.body, "{}\n");
	reply_free(&reply);
}

const char *object_place(const char *region, size_t offset, size_t byte_size)
{
	static char texts[4][256];
	static unsigned next;
	char *text = texts[next++ % 4];
	snprintf(
		text, sizeof texts[0],
		"\"parameters\": {\"shared_memory_region\": \"%s\", \"shared_memory_offset\": %zu, "
		"\"shared_memory_byte_size\": %zu}",
		region, offset, byte_size);
	return text;
}
