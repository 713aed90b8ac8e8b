using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Benchmarks.Scheduling;

/// <summary>
/// The real scheduler and client with a thousand decoders that have no models: how many groups it hands out and answers
/// a second, and how much of a core that takes it.
/// </summary>
internal static class SchedulerBench
{
    private const int Decoders = 1000;
    private const int Samples = 8;

    /// <summary>Every decoder has what it is given at once; then every sequence gains tokens at a decoder's pace.</summary>
    public static async Task PrintAsync()
    {
        Console.WriteLine("decoders that finish at once, 8 samples of 32 tokens:");
        await RunAsync(groups: 100_000, tokens: 32, places: 64, tokensPerSecond: double.PositiveInfinity);
        Console.WriteLine("decoders of 64 sequences at 50 tokens/s each, 8 samples of 400 tokens:");
        await RunAsync(groups: 100_000, tokens: 400, places: 64, tokensPerSecond: 50);
    }

    private static async Task RunAsync(int groups, int tokens, int places, double tokensPerSecond)
    {
        using var system = ActorSystem.Create("bench", ConfigurationFactory.ParseString(
            """
            akka.loglevel = WARNING
            scheduler-thread.type = PinnedDispatcher
            """));
        var settings = RolloutSettings.From(ConfigTree.Load()).Scheduler;
        var clock = new ThreadClock();
        var scheduler = system.ActorOf(
            SchedulerActor.Props(settings, new SchedulerEpochs(TimeProvider.System), time: clock)
                .WithDispatcher("scheduler-thread"));
        for (var i = 0; i < Decoders; i++)
        {
            var number = i;
            system.ActorOf(Props.Create(() => new PacedDecoder(
                number, scheduler, new DecoderCapacity(places, 100_000, 16, 4096, VocabularySize: 1000), tokensPerSecond)));
        }
        while ((await scheduler.Ask<SchedulerReport>(new QueryScheduler(), TimeSpan.FromSeconds(10))).Decoders < Decoders)
            await Task.Delay(100);

        var prompt = new int[200];
        var sampling = Enumerable.Repeat(new SamplingParams { MaxTokens = tokens }, Samples).ToArray();
        var started = TimeProvider.System.GetTimestamp();
        var busyBefore = clock.Busy;
        var allocatedBefore = clock.AllocatedBytes;
        var finished = 0;
        await foreach (var outcome in new RolloutClient(system, scheduler).GenerateAsync(
            Enumerable.Range(0, groups).Select(id => new GroupRequest(new GroupId(id), prompt, sampling)), window: 32_000))
        {
            finished += outcome is GroupFinished ? 1 : 0;
        }
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        var busy = (clock.Busy - busyBefore).TotalSeconds;
        var allocated = clock.AllocatedBytes - allocatedBefore;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {finished} of {groups} groups in {seconds:0.0} s: {finished / seconds:0} groups/s,"
            + $" {(double)finished * Samples * tokens / seconds / 1e6:0.00} M tokens/s;"
            + $" the scheduler's thread {100 * busy / seconds:0} % of a core, {1e6 * busy / finished:0.0} us and"
            + $" {(double)allocated / finished:0} bytes a group"));
        await system.Terminate();
    }

    /// <summary>The system's time; and the processor time of the one thread that asks for it, which is the scheduler's.</summary>
    private sealed class ThreadClock : TimeProvider
    {
        private volatile string? _thread;

        public override long GetTimestamp()
        {
            AllocatedBytes = GC.GetAllocatedBytesForCurrentThread();
            _thread ??= File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)?.FullName;
            return base.GetTimestamp();
        }

        /// <summary>Managed memory that the thread had allocated when it last asked for the time.</summary>
        public long AllocatedBytes { get; private set; }

        /// <summary>In user and kernel mode (Linux counts hundredths of a second).</summary>
        public TimeSpan Busy
        {
            get
            {
                var fields = File.ReadAllText($"{_thread}/stat").Split(") ")[1].Split(' ');
                var ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
                return TimeSpan.FromMilliseconds(10 * ticks);
            }
        }
    }
}
