using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Support;

/// <summary>Trains nothing, and remembers what it was asked for.</summary>
public sealed class FakePolicyTrainer : IPolicyTrainer
{
    public PolicyVersion Version { get; private set; }

    public long CheckpointBytes => 0;

    public bool IsWhole { get; set; } = true;

    /// <summary>Changes what a training step reports.</summary>
    public Func<TrainStats, TrainStats> Report { get; set; } = stats => stats;

    /// <summary>Called before each training step; may throw.</summary>
    public Action<TrainBatch>? BeforeTrain { get; set; }

    /// <summary>Called before each checkpoint; may throw.</summary>
    public Action<string>? BeforeSave { get; set; }

    public List<TrainBatch> Batches { get; } = [];

    public List<(string Folder, TrainingProgress Progress)> Saved { get; } = [];

    public bool IsDisposed { get; private set; }

    /// <summary>Managed ids of the threads that built, used and disposed of it.</summary>
    public HashSet<int> Threads { get; } = [Environment.CurrentManagedThreadId];

    public TrainStats Train(TrainBatch batch)
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        BeforeTrain?.Invoke(batch);
        Batches.Add(batch);
        Version = Version.Next();
        return Report(new TrainStats
        {
            Version = Version,
            Loss = 0,
            GradientNorm = 0,
            LearningRate = 0,
            ClipFraction = 0,
            Kl = 0,
            Entropy = 0,
            LogprobDifferenceMean = 0,
            LogprobDifferenceMax = 0,
            TrainedTokens = 0,
            EqualRewardGroups = 0,
            Seconds = 0,
            ProcessedTokens = 0,
        });
    }

    public void Save(string folder, TrainingProgress progress)
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        BeforeSave?.Invoke(folder);
        Saved.Add((folder, progress));
    }

    public void Dispose()
    {
        Threads.Add(Environment.CurrentManagedThreadId);
        IsDisposed = true;
    }
}
