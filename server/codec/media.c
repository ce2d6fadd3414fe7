#include "json_in.h"

const struct media_type media_types[] = {
	{"application/json", "json", json_in_create},
	{NULL, NULL, NULL},
};
_Static_assert(sizeof media_types / sizeof media_types[0] <= MEDIA_TYPES_MAX + 1,
	       "raise MEDIA_TYPES_MAX");
