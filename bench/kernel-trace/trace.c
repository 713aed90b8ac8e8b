// Every kernel that a program launches on NVIDIA GPUs, those of graphs one by one, by CUPTI; the driver loads this
// library into any program.
//   cc -O1 -shared -fPIC -DKERNEL=CUpti_ActivityKernel10 -I"$CUDA/include" -o trace.so trace.c -L"$CUDA/lib64" -lcupti
//   CUDA_INJECTION64_PATH=$PWD/trace.so KERNEL_TRACE=kernels.txt rollout bench ...
// KERNEL is the newest record of the cupti_activity.h at hand. A line a kernel: start and time in ns, the graph's
// number or 0, the name. split.py reads them.
#include <cupti.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { kBufferBytes = 16 << 20, kAlignment = 4096 };

static FILE *out;

static void CUPTIAPI give_buffer(uint8_t **buffer, size_t *size, size_t *most_records) {
  *buffer = aligned_alloc(kAlignment, kBufferBytes);
  *size = kBufferBytes;
  *most_records = 0;  // as many as fit
}

static void CUPTIAPI take_buffer(CUcontext context, uint32_t stream, uint8_t *buffer, size_t size, size_t used) {
  CUpti_Activity *record = NULL;
  while (cuptiActivityGetNextRecord(buffer, used, &record) == CUPTI_SUCCESS) {
    if (record->kind != CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) continue;
    const KERNEL *kernel = (const KERNEL *)record;
    fprintf(out, "%llu %llu %u %.70s\n", (unsigned long long)kernel->start,
            (unsigned long long)(kernel->end - kernel->start), (unsigned)kernel->graphId,
            kernel->name ? kernel->name : "unnamed");
  }
  free(buffer);
}

static void finish(void) {
  cuptiActivityFlushAll(1);
  fflush(out);
}

int InitializeInjection(void) {
  const char *file = getenv("KERNEL_TRACE");
  out = fopen(file ? file : "kernels.txt", "w");
  if (!out || cuptiActivityRegisterCallbacks(give_buffer, take_buffer) != CUPTI_SUCCESS ||
      cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) != CUPTI_SUCCESS) {
    fprintf(stderr, "kernel-trace: no kernels can be recorded here\n");
    return 0;
  }
  atexit(finish);
  return 1;
}
