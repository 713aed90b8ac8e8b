using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Support;

/// <summary>Weights arrive, or fail to, when the test says so.</summary>
public sealed class FakeWeightIntake : IWeightIntake
{
    private readonly Lock _gate = new();
    private readonly List<Fetch> _fetches = [];

    /// <summary>What is asked for from now on is there already.</summary>
    public bool ArrivesAtOnce { get; set; }

    public Policy? Held { get; set; } = new Policy(Run: 0, default);

    /// <summary>What was asked for, in order.</summary>
    public IReadOnlyList<Fetch> Fetches
    {
        get
        {
            lock (_gate)
                return [.. _fetches];
        }
    }

    public Task<IStagedWeights> FetchAsync(WeightOffer offer, CancellationToken cancel)
    {
        var fetch = new Fetch(this, offer);
        cancel.Register(() => fetch.Arrived.TrySetCanceled(cancel));
        lock (_gate)
            _fetches.Add(fetch);
        if (ArrivesAtOnce)
            fetch.Arrive();
        return fetch.Arrived.Task;
    }

    public sealed class Fetch(FakeWeightIntake intake, WeightOffer offer) : IStagedWeights
    {
        public WeightOffer Offer { get; } = offer;

        public TaskCompletionSource<IStagedWeights> Arrived { get; } =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Policy Policy => Offer.Policy;

        /// <summary>The decoder has no more use for it.</summary>
        public bool IsDisposed { get; private set; }

        /// <summary>Called when it is put into the model; may throw.</summary>
        public Action? OnApply { get; set; }

        public void Arrive() => Arrived.SetResult(this);

        public void Fail(string reason) => Arrived.SetException(new WeightTransferException(reason));

        public void Apply()
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            intake.Held = null;
            OnApply?.Invoke();
            intake.Held = Policy;
        }

        public void Dispose() => IsDisposed = true;
    }
}
