#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm_fault.h"

/* Bytes of an object in this process, one of two: to read, and to write where that was asked for.
 */
struct mapping {
	void *base; /* NULL: none */
	size_t size;
	unsigned char *data; /* the region's first byte */
	struct shm_slot *slot;
};

/* Which object it is, whatever its key: one may have several, and keys change hands. */
struct object_id {
	dev_t device;
	ino_t inode;
};

struct shm_region {
	struct shm_region *next; /* in the order of registration, or of the free ones */
	struct shm_region_info info;
	int fd;
	struct object_id object;
	bool writable; /* the server may write to the object */
	bool leaving;  /* unregistered: gone with its last pin */
	size_t pins;
	struct mapping for_reading, for_writing;
};

struct shm {
	pthread_mutex_t mutex;
	struct shm_settings settings;
	size_t page;
	uint32_t self;
	struct shm_region *first, *free; /* those that are registered; those that are not mapped */
	uint64_t bytes;                  /* of all that are mapped */
};

/* ---------------------------------------------------------------- life */

struct shm *shm_create(const struct shm_settings *settings, struct loss_arena *arena)
{
	size_t n = (size_t)settings->max_regions;
	struct shm *shm = loss_arena_array(arena, struct shm, 1);
	struct shm_region *regions = loss_arena_array(arena, struct shm_region, n);
	struct shm_slot *slots = loss_arena_array(arena, struct shm_slot, 2 * n);
	if (!shm || !regions || !slots)
		return NULL;
	*shm = (struct shm){.settings = *settings,
			    .page = (size_t)sysconf(_SC_PAGESIZE),
			    .self = (uint32_t)geteuid()};
	memset(slots, 0, 2 * n * sizeof *slots);
	for (size_t i = n; i-- > 0;) {
		regions[i] = (struct shm_region){.next = shm->free};
		regions[i].for_reading.slot = &slots[2 * i];
		regions[i].for_writing.slot = &slots[2 * i + 1];
		shm->free = &regions[i];
	}
	if (pthread_mutex_init(&shm->mutex, NULL) != 0)
		return NULL;
	if (shm_fault_start(slots, 2 * n))
		return shm;
	pthread_mutex_destroy(&shm->mutex);
	return NULL;
}

void shm_destroy(struct shm *shm)
{
	if (!shm)
		return;
	shm_unregister_all(shm);
	shm_fault_stop();
	pthread_mutex_destroy(&shm->mutex);
}

/* ---------------------------------------------------------------- mapping */

static bool map(const struct shm *shm, const struct shm_region *region, bool for_writing,
		struct mapping *mapping)
{
	/* Mappings begin with a page, regions where they like. */
	size_t ahead = (size_t)(region->info.offset % shm->page);
	size_t size = ahead + (size_t)region->info.byte_size;
	off_t start = (off_t)(region->info.offset - ahead);
	int protection = PROT_READ | (for_writing ? PROT_WRITE : 0);
	void *base = mmap(NULL, size, protection, MAP_SHARED, region->fd, start);
	if (base == MAP_FAILED)
		return false;
	mapping->base = base;
	mapping->size = size;
	mapping->data = (unsigned char *)base + ahead;
	shm_slot_watch(mapping->slot, base, size, for_writing);
	return true;
}

static void unmap(struct mapping *mapping)
{
	if (!mapping->base)
		return;
	munmap(mapping->base, mapping->size);
	shm_slot_forget(mapping->slot);
	mapping->base = NULL;
}

/* Gives everything back. It is in no list. */
static void end(struct shm *shm, struct shm_region *region)
{
	unmap(&region->for_reading);
	unmap(&region->for_writing);
	close(region->fd);
	shm->bytes -= region->info.byte_size;
	region->next = shm->free;
	shm->free = region;
}

/* ---------------------------------------------------------------- registration */

static struct shm_region *find(const struct shm *shm, const char *name)
{
	struct shm_region *region = shm->first;
	while (region && strcmp(region->info.name, name) != 0)
		region = region->next;
	return region;
}

static loss_status check_texts(const struct shm *shm, const struct shm_registration *wanted,
			       struct loss_error *err)
{
	const char *key = wanted->key;
	if (!shm_is_name(wanted->name))
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "name",
				 "the region's name must be 1 to %d printable ASCII characters",
				 SHM_NAME_MAX);
	if (!shm_is_key(key))
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "key",
				 "key is \"%.80s\"; it must be 1 to %d of the characters "
				 "A-Z a-z 0-9 . _ - with one / in front or none",
				 key, SHM_NAME_MAX);
	if (!shm_key_allowed(shm->settings.key_prefix, key))
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "key",
				 "key is \"%s\"; this server takes only keys that begin as its "
				 "setting shm_key_prefix says",
				 key);
	return LOSS_OK;
}

static loss_status check_range(const struct shm_registration *wanted, struct loss_error *err)
{
	uint64_t offset = wanted->offset, byte_size = wanted->byte_size;
	if (byte_size == 0)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size",
				 "byte_size is 0; a region has at least one byte");
	if (offset > INT64_MAX || byte_size > INT64_MAX - offset)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size",
				 "offset %" PRIu64 " and byte_size %" PRIu64
				 " reach beyond 2^63 - 1, where no object does",
				 offset, byte_size);
	return LOSS_OK;
}

static loss_status check_room(const struct shm *shm, const struct shm_registration *wanted,
			      struct loss_error *err)
{
	const struct shm_settings *settings = &shm->settings;
	const char *name = wanted->name;
	uint64_t byte_size = wanted->byte_size;
	if (find(shm, name))
		return loss_fail(
			err, LOSS_DUPLICATE_FIELD, "name",
			"a region named \"%s\" is registered already; unregister it first, "
			"or take another name",
			name);
	if (!shm->free)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "name",
				 "\"%s\" would be one region more than the limit "
				 "(shm_max_regions) of %" PRIu64 "; unregister others first",
				 name, settings->max_regions);
	if (byte_size > settings->max_bytes || shm->bytes > settings->max_bytes - byte_size)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size",
				 "byte_size is %" PRIu64 ", but all regions together may have "
				 "(shm_max_bytes) %" PRIu64 "; unregister others first",
				 byte_size, settings->max_bytes);
	return LOSS_OK;
}

/* A name of another kind of file may be there too: one that is not waited for (O_NONBLOCK), and not
 * followed (shm_open does not). */
static int open_object(const char *key, bool *writable)
{
	int fd = shm_open(key, O_RDWR | O_NONBLOCK, 0);
	*writable = fd >= 0;
	if (fd < 0 && errno == EACCES)
		fd = shm_open(key, O_RDONLY | O_NONBLOCK, 0);
	return fd;
}

/* One sentence for all that may be wrong with it: which objects there are is none of the caller's
 * business. */
static loss_status check_object(const struct shm *shm, struct shm_region *region,
				struct loss_error *err)
{
	struct stat object;
	const struct shm_region_info *info = &region->info;
	if (region->fd < 0 || fstat(region->fd, &object) != 0 || !S_ISREG(object.st_mode) ||
	    !shm_owner_allowed(shm->settings.owners, (uint32_t)object.st_uid, shm->self))
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "key",
				 "key is \"%s\"; there is no shared memory object of that key that "
				 "this server may use: it must exist, and belong to the server's "
				 "own user or to one of its setting shm_owners",
				 info->key);
	if ((uint64_t)object.st_size < info->offset + info->byte_size)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "byte_size",
				 "offset %" PRIu64 " and byte_size %" PRIu64
				 " reach beyond the end of the object \"%s\"",
				 info->offset, info->byte_size, info->key);
	region->object = (struct object_id){object.st_dev, object.st_ino};
	return LOSS_OK;
}

/* Into a region of the free ones that was not taken from them yet. */
static loss_status map_object(struct shm *shm, struct shm_region *region, struct loss_error *err)
{
	region->fd = open_object(region->info.key, &region->writable);
	loss_status status = check_object(shm, region, err);
	if (status == LOSS_OK && !map(shm, region, false, &region->for_reading))
		status = loss_fail(err, LOSS_OUT_OF_MEMORY, "byte_size",
				   "byte_size is %" PRIu64 ", for which there is no room in memory",
				   region->info.byte_size);
	if (status != LOSS_OK && region->fd >= 0)
		close(region->fd);
	return status;
}

static void append(struct shm *shm, struct shm_region *region)
{
	struct shm_region **last = &shm->first;
	while (*last)
		last = &(*last)->next;
	shm->free = region->next;
	shm->bytes += region->info.byte_size;
	region->next = NULL;
	region->pins = 0;
	region->leaving = false;
	*last = region;
}

static struct shm_region_info info_of(const struct shm_registration *wanted)
{
	struct shm_region_info info = {.offset = wanted->offset, .byte_size = wanted->byte_size};
	memcpy(info.name, wanted->name, strlen(wanted->name) + 1);
	memcpy(info.key, wanted->key, strlen(wanted->key) + 1);
	return info;
}

loss_status shm_register(struct shm *shm, const struct shm_registration *wanted,
			 struct loss_error *err)
{
	loss_status status = check_texts(shm, wanted, err);
	if (status == LOSS_OK)
		status = check_range(wanted, err);
	if (status != LOSS_OK)
		return status;

	pthread_mutex_lock(&shm->mutex);
	status = check_room(shm, wanted, err);
	if (status == LOSS_OK) {
		struct shm_region *region = shm->free;
		region->info = info_of(wanted);
		status = map_object(shm, region, err);
		if (status == LOSS_OK)
			append(shm, region);
	}
	pthread_mutex_unlock(&shm->mutex);
	return status;
}

/* ---------------------------------------------------------------- the end of regions */

/* Takes the region that *link points to out of the list. */
static void unregister(struct shm *shm, struct shm_region **link)
{
	struct shm_region *region = *link;
	*link = region->next;
	region->leaving = true;
	if (region->pins == 0)
		end(shm, region);
}

bool shm_unregister(struct shm *shm, const char *name)
{
	pthread_mutex_lock(&shm->mutex);
	struct shm_region **link = &shm->first;
	while (*link && strcmp((*link)->info.name, name) != 0)
		link = &(*link)->next;
	bool found = *link != NULL;
	if (found)
		unregister(shm, link);
	pthread_mutex_unlock(&shm->mutex);
	return found;
}

void shm_unregister_all(struct shm *shm)
{
	pthread_mutex_lock(&shm->mutex);
	while (shm->first)
		unregister(shm, &shm->first);
	pthread_mutex_unlock(&shm->mutex);
}

/* ---------------------------------------------------------------- what there is */

bool shm_at(struct shm *shm, size_t i, struct shm_region_info *info)
{
	pthread_mutex_lock(&shm->mutex);
	const struct shm_region *region = shm->first;
	for (; region && i > 0; i--)
		region = region->next;
	if (region)
		*info = region->info;
	pthread_mutex_unlock(&shm->mutex);
	return region != NULL;
}

bool shm_find(struct shm *shm, const char *name, struct shm_region_info *info)
{
	pthread_mutex_lock(&shm->mutex);
	const struct shm_region *region = find(shm, name);
	if (region)
		*info = region->info;
	pthread_mutex_unlock(&shm->mutex);
	return region != NULL;
}

/* ---------------------------------------------------------------- pins */

/* Whether the object still reaches as far, and no page was missing so far. */
static bool is_whole(const struct shm_region *region, uint64_t reach)
{
	struct stat object;
	return !shm_slot_damaged(region->for_reading.slot) &&
	       !shm_slot_damaged(region->for_writing.slot) && fstat(region->fd, &object) == 0 &&
	       (uint64_t)object.st_size >= region->info.offset + reach;
}

/* The range lies within the region, as far as the caller's numbers go. */
static loss_status check_bounds(const struct shm_region *region, const struct shm_use *use,
				struct loss_error *err)
{
	uint64_t byte_size = region->info.byte_size;
	if (use->offset <= byte_size && use->size <= byte_size - use->offset)
		return LOSS_OK;
	return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
			 "%s: shared_memory_offset %" PRIu64 " and shared_memory_byte_size %" PRIu64
			 " reach beyond the %" PRIu64 " bytes of the region \"%s\"",
			 use->field, use->offset, use->size, byte_size, use->name);
}

static loss_status check_memory(const struct shm *shm, struct shm_region *region,
				const struct shm_use *use, struct loss_error *err)
{
	if (!is_whole(region, use->offset + use->size))
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
				 "%s: the object of the region \"%s\" has become shorter since it "
				 "was registered; unregister the region, and register it anew",
				 use->field, use->name);
	if (!use->for_writing)
		return LOSS_OK;
	if (!region->writable)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
				 "%s: this server may only read the object of the region \"%s\"",
				 use->field, use->name);
	if (!region->for_writing.base && !map(shm, region, true, &region->for_writing))
		return loss_fail(err, LOSS_OUT_OF_MEMORY, use->field,
				 "%s: there is no room in memory to write to the region \"%s\"",
				 use->field, use->name);
	return LOSS_OK;
}

static loss_status pin_region(const struct shm *shm, const struct shm_use *use, struct shm_pin *pin,
			      struct loss_error *err)
{
	struct shm_region *region = find(shm, use->name);
	if (!region)
		return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, use->field,
				 "%s: no region named \"%.80s\" is registered", use->field,
				 use->name);
	loss_status status = check_bounds(region, use, err);
	if (status == LOSS_OK)
		status = check_memory(shm, region, use, err);
	if (status != LOSS_OK)
		return status;
	const struct mapping *mapping =
		use->for_writing ? &region->for_writing : &region->for_reading;
	region->pins++;
	pin->region = region;
	pin->data = mapping->data + use->offset;
	pin->size = (size_t)use->size;
	pin->reach = use->offset + use->size;
	return LOSS_OK;
}

loss_status shm_pin(struct shm *shm, const struct shm_use *use, struct shm_pin *pin,
		    struct loss_error *err)
{
	pthread_mutex_lock(&shm->mutex);
	loss_status status = pin_region(shm, use, pin, err);
	pthread_mutex_unlock(&shm->mutex);
	return status;
}

bool shm_pin_intact(const struct shm_pin *pin)
{
	return is_whole(pin->region, pin->reach);
}

/* Where it begins in the object. Regions lie below 2^63, and ranges in them. */
static uint64_t first_byte(const struct shm_pin *pin)
{
	return pin->region->info.offset + pin->reach - pin->size;
}

bool shm_pins_overlap(const struct shm_pin *a, const struct shm_pin *b)
{
	const struct object_id *one = &a->region->object, *other = &b->region->object;
	uint64_t begin = first_byte(a), other_begin = first_byte(b);
	return one->device == other->device && one->inode == other->inode && a->size > 0 &&
	       b->size > 0 && begin < other_begin + b->size && other_begin < begin + a->size;
}

void shm_unpin(struct shm *shm, struct shm_pin *pin)
{
	struct shm_region *region = pin->region;
	pthread_mutex_lock(&shm->mutex);
	if (--region->pins == 0 && region->leaving)
		end(shm, region);
	pthread_mutex_unlock(&shm->mutex);
	pin->region = NULL;
	pin->data = NULL;
}
