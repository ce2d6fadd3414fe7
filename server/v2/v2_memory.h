/*
 * The pages of the Open Inference Protocol's system shared memory: 404 while the setting
 * shm_key_prefix does not allow any. What regions are is in shm.h.
 */
#ifndef LOSSD_V2_MEMORY_H
#define LOSSD_V2_MEMORY_H

#include "http/handler.h"

/* GET: all regions; the one in the path. */
page v2_memory_page, v2_memory_region_page;
/* POST. A region that is not there is unregistered already. */
page v2_memory_register_page, v2_memory_unregister_page, v2_memory_unregister_all_page;
/* POST, for clients that clear both kinds of memory before they begin: there is none on a GPU. */
page v2_cuda_unregister_all_page;

#endif
