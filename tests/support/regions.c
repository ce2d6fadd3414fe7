#include "regions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

struct loss_arena *arena;
struct shm *shm;
struct object object;
struct loss_error err;

int regions_start(const char *owners)
{
	const struct shm_settings settings = {object_prefix(), owners, MAX_REGIONS, MAX_BYTES};
	shm = shm_create(&settings, arena);
	return shm ? 0 : -1;
}

int regions_set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	object_create(&object, "object", 4 * PAGE);
	memset(&err, 0, sizeof err);
	return regions_start("self");
}

int regions_tear_down(void **state)
{
	(void)state;
	shm_destroy(shm);
	object_destroy(&object);
	loss_arena_destroy(arena);
	return 0;
}

loss_status regions_enter(const char *name, const char *key, uint64_t offset, uint64_t byte_size)
{
	const struct shm_registration wanted = {name, key, offset, byte_size};
	return shm_register(shm, &wanted, &err);
}

void regions_must_enter(const char *name, uint64_t offset, uint64_t byte_size)
{
	if (regions_enter(name, object.key, offset, byte_size) != LOSS_OK)
		fail_msg("%s", err.detail);
}

void regions_refused(loss_status got, loss_status status, const char *field, const char *words)
{
	assert_int_equal(got, status);
	assert_int_equal(err.status, status);
	assert_string_equal(err.field, field);
	if (!strstr(err.detail, words))
		fail_msg("\"%s\" is not in: %s", words, err.detail);
}

loss_status regions_use(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin)
{
	const struct shm_use wanted = {name, offset, size, false, "logits"};
	return shm_pin(shm, &wanted, pin, &err);
}

void regions_must_use(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin)
{
	if (regions_use(name, offset, size, pin) != LOSS_OK)
		fail_msg("%s", err.detail);
}

loss_status regions_write(const char *name, uint64_t offset, uint64_t size, struct shm_pin *pin)
{
	const struct shm_use wanted = {name, offset, size, true, "grad"};
	return shm_pin(shm, &wanted, pin, &err);
}
