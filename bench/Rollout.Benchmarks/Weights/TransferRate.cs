using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using Rollout.Gpu.Weights.Transfer;
using static TorchSharp.torch;

namespace Rollout.Benchmarks.Weights;

/// <summary>
/// A gigabyte of weights from this process to another, by the product's transfer and by a plain copy through a loopback
/// socket in 1 MiB writes, in turn. The product's time is from the offer to the last checksum; the copy to host memory
/// before it and the copy into the model after it are named apart.
/// </summary>
internal static class TransferRate
{
    private const int Rounds = 5;
    private const int PlainChunk = 1 << 20;

    private static readonly ModelConfig Model = new()
    {
        ModelType = "llama",
        VocabSize = 65536,
        HiddenSize = 1024,
        IntermediateSize = 4096,
        LayerCount = 11,
        HeadCount = 16,
        KvHeadCount = 16,
        HeadDim = 64,
        RmsNormEps = 1e-6,
        TieWordEmbeddings = true,
        Rope = new RopeSettings(),
        HasQkNorm = false,
        HasQkvBias = false,
        HasOutputBias = false,
        HasMlpBias = false,
        MaxPositionEmbeddings = 64,
    };

    public static async Task PrintAsync()
    {
        LibTorch.Load();
        using var model = new CausalLm(Model, ScalarType.Float32, CPU);
        model.InitializeRandom(seed: 1);
        await using var server = new WeightServer("127.0.0.1");
        using var plain = new TcpListener(IPAddress.Loopback, 0);
        plain.Start();
        // By dotnet FILE.dll, or by the executable that is beside it.
        var program = Environment.ProcessPath!;
        string[] file = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        using var receiver = Process.Start(new ProcessStartInfo(program, [.. file, "weights-receiver"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            await RunAsync(model, server, plain, receiver);
        }
        finally
        {
            receiver.Kill();
        }
    }

    /// <summary>The other process: a line on standard input asks for a transfer, a line on standard output answers.</summary>
    public static async Task ReceiveAsync()
    {
        LibTorch.Load();
        using var weights = new PolicyWeights(new CausalLm(Model, ScalarType.Float32, CPU), default);
        using var receiver = new WeightReceiver(TransferLayout.Of(weights.Model));
        var intake = new DeviceIntake(receiver, weights);
        byte[] buffer = [];
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var words = line.Split(' ');
            var started = Stopwatch.GetTimestamp();
            if (words[0] == "plain")
            {
                if (buffer.Length == 0)
                    buffer = GC.AllocateUninitializedArray<byte>(int.Parse(words[2], CultureInfo.InvariantCulture));
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, int.Parse(words[1], CultureInfo.InvariantCulture));
                await client.GetStream().ReadExactlyAsync(buffer);
                Console.WriteLine(Seconds(started));
                continue;
            }
            var policy = new Policy(1, new PolicyVersion(int.Parse(words[1], CultureInfo.InvariantCulture)));
            using var staged = await intake.FetchAsync(
                new WeightOffer(
                    policy,
                    "127.0.0.1",
                    int.Parse(words[2], CultureInfo.InvariantCulture),
                    Convert.FromHexString(words[3]),
                    long.Parse(words[4], CultureInfo.InvariantCulture),
                    ulong.Parse(words[5], CultureInfo.InvariantCulture)),
                CancellationToken.None);
            var fetched = Seconds(started);
            started = Stopwatch.GetTimestamp();
            staged.Apply();
            Console.WriteLine($"{fetched} {Seconds(started)}");
        }
    }

    private static async Task RunAsync(CausalLm model, WeightServer server, TcpListener plain, Process receiver)
    {
        var (published, fetched, applied, copied) =
            (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        var bytes = TransferLayout.Of(model).ByteCount;
        var content = GC.AllocateUninitializedArray<byte>((int)bytes);
        Random.Shared.NextBytes(content);
        // The first round of each fills the receiver's memory for the first time.
        for (var round = 0; round <= Rounds; round++)
        {
            var started = Stopwatch.GetTimestamp();
            var offer = server.Publish(model, new Policy(1, new PolicyVersion(round)));
            var publish = Stopwatch.GetElapsedTime(started).TotalSeconds;
            var answer = await AskAsync(
                receiver,
                $"offer {round} {offer.Port} {Convert.ToHexString(offer.Token)} {offer.Bytes} {offer.Checksum}");

            var sending = SendPlainAsync(plain, content);
            var copy = await AskAsync(receiver, $"plain {((IPEndPoint)plain.LocalEndpoint).Port} {content.Length}");
            await sending;
            if (round == 0)
                continue;
            published.Add(publish);
            fetched.Add(answer[0]);
            applied.Add(answer[1]);
            copied.Add(copy[0]);
        }
        var gigabytes = bytes / 1e9;
        Console.WriteLine($"{gigabytes:F2} GB between two processes, median of {Rounds}:");
        Console.WriteLine($"  weights, checked tensor by tensor: {Rate(fetched)}");
        Console.WriteLine($"  plain loopback copy, 1 MiB writes: {Rate(copied)}");
        Console.WriteLine($"  before: copy of the policy and its checksums: {Rate(published)}");
        Console.WriteLine($"  after: copy into the model: {Rate(applied)}");

        string Rate(List<double> seconds)
        {
            seconds.Sort();
            var median = seconds[seconds.Count / 2];
            return $"{median:F3} s, {gigabytes / median:F2} GB/s ({gigabytes / seconds[^1]:F2} … {gigabytes / seconds[0]:F2})";
        }
    }

    private static async Task SendPlainAsync(TcpListener listener, byte[] content)
    {
        using var socket = await listener.AcceptSocketAsync();
        for (var done = 0; done < content.Length; done += PlainChunk)
            await socket.SendAsync(content.AsMemory(done, Math.Min(PlainChunk, content.Length - done)));
    }

    private static async Task<double[]> AskAsync(Process receiver, string line)
    {
        await receiver.StandardInput.WriteLineAsync(line);
        await receiver.StandardInput.FlushAsync();
        var answer = await receiver.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(2))
            ?? throw new InvalidOperationException("the receiving process ended");
        return [.. answer.Split(' ').Select(word => double.Parse(word, CultureInfo.InvariantCulture))];
    }

    private static string Seconds(long started) =>
        Stopwatch.GetElapsedTime(started).TotalSeconds.ToString("F6", CultureInfo.InvariantCulture);
}
