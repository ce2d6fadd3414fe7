/* What declarations of the library stand between. Part of loss.h. */
#ifndef LOSS_API_PUBLIC_H
#define LOSS_API_PUBLIC_H

#ifdef __cplusplus
#define LOSS_EXTERN_BEGIN extern "C" {
#define LOSS_EXTERN_END }
#else
#define LOSS_EXTERN_BEGIN
#define LOSS_EXTERN_END
#endif

/* What is declared between these is what the shared library exports, and nothing else. */
#ifdef __GNUC__
#define LOSS_API_BEGIN LOSS_EXTERN_BEGIN _Pragma("GCC visibility push(default)")
#define LOSS_API_END _Pragma("GCC visibility pop") LOSS_EXTERN_END
#define LOSS_PRINTF(text, values) __attribute__((format(printf, text, values)))
#else
#define LOSS_API_BEGIN LOSS_EXTERN_BEGIN
#define LOSS_API_END LOSS_EXTERN_END
#define LOSS_PRINTF(text, values)
#endif

#endif
