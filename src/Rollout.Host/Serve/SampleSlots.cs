namespace Rollout.Host.Serve;

/// <summary>Bounds the samples that all requests together have on their way. Safe for concurrent use.</summary>
/// <param name="most">How many.</param>
internal sealed class SampleSlots(int most)
{
    private const int RetrySeconds = 1;

    private readonly Lock _turn = new();

    /// <summary>Samples on their way.</summary>
    public int Taken { get; private set; }

    /// <summary>Takes places for a request's samples until the result is disposed.</summary>
    /// <exception cref="ApiException">There are too few.</exception>
    public IDisposable Take(int samples)
    {
        lock (_turn)
        {
            if (Taken + samples > most)
            {
                throw new ApiException(429, $"The server works on {Taken} samples, and takes {most} at once: try again later.")
                {
                    Code = "rate_limit_exceeded",
                    RetryAfter = RetrySeconds,
                };
            }
            Taken += samples;
        }
        return new Places(this, samples);
    }

    private void Return(int samples)
    {
        lock (_turn)
            Taken -= samples;
    }

    private sealed class Places(SampleSlots slots, int samples) : IDisposable
    {
        private int _left = samples;

        public void Dispose() => slots.Return(Interlocked.Exchange(ref _left, 0));
    }
}
