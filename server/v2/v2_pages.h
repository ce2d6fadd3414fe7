/*
 * The pages of the Open Inference Protocol: server and models. The losses are the models; see
 * v2_model.h for how they are shown.
 */
#ifndef LOSSD_V2_PAGES_H
#define LOSSD_V2_PAGES_H

#include "http/handler.h"

page v2_server_page, v2_live_page, v2_ready_page;
/* Of the loss in the path. */
page v2_model_page, v2_model_ready_page, v2_config_page, v2_stats_page;
page v2_all_stats_page;
/* POST. Every loss is there and ready, always: loading and unloading change nothing. */
page v2_index_page, v2_load_page;

#endif
