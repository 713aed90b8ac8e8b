using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>To the decoder from itself: a fetch has ended, with the weights in host memory or with an error.</summary>
internal sealed record FetchEnded(WeightFetch Fetch, string? Error);

/// <summary>
/// A decoder's fetch of one policy's weights, in the background, until the decoder applies or disposes of it. Disposing
/// ends the transfer and gives back the memory that it has or will have.
/// </summary>
internal sealed class WeightFetch : IDisposable
{
    private readonly CancellationTokenSource _cancel = new();
    private readonly Lock _gate = new();
    private IStagedWeights? _staged;
    private bool _disposed;

    private WeightFetch(Policy policy, IActorRef barrier)
    {
        Policy = policy;
        Barrier = barrier;
    }

    public Policy Policy { get; }

    /// <summary>The barrier to tell when the policy is in use.</summary>
    public IActorRef Barrier { get; set; }

    /// <summary>Begins to fetch an offer. The decoder is told <see cref="FetchEnded"/>.</summary>
    public static WeightFetch Start(IWeightIntake intake, WeightOffer offer, IActorRef barrier, IActorRef decoder)
    {
        var fetch = new WeightFetch(offer.Policy, barrier);
        fetch.RunAsync(intake, offer).PipeTo(decoder);
        return fetch;
    }

    /// <summary>Copies the weights into the device's model, on the decoder's thread.</summary>
    public void Apply()
    {
        lock (_gate)
            (_staged ?? throw new InvalidOperationException($"the weights of {Policy} have not arrived")).Apply();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _cancel.Cancel();
            _staged?.Dispose();
        }
    }

    private async Task<FetchEnded> RunAsync(IWeightIntake intake, WeightOffer offer)
    {
        try
        {
            var staged = await intake.FetchAsync(offer, _cancel.Token).ConfigureAwait(false);
            lock (_gate)
            {
                _staged = staged;
                if (_disposed)
                    staged.Dispose();
            }
            return new FetchEnded(this, null);
        }
        catch (Exception fault)
        {
            return new FetchEnded(this, fault.Message);
        }
    }
}
